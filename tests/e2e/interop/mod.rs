//! Other modules beside this one.

mod http2;
mod interpreters;
mod matrix_backends;
mod matrix_caches;
mod matrix_interpreters;
mod mutexes;
mod php;
mod server_handlers;
