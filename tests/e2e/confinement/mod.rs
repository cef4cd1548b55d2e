//! What a request can and cannot do: the kernel keeps each in its context, by whichever way it runs.

mod attacks;
mod htaccess;
mod kernel_faults;
mod labels;
mod loaded_policy;
mod matrix;
mod nested;
mod peer;
mod private_tmp;
mod refusals;
