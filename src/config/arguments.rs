//! How arguments of directives are read.

use mapping::DomainSpec;

/// A domain spec.
///
/// # Errors
/// What is wrong with it.
pub fn domain(argument: &str) -> Result<DomainSpec, String> {
    DomainSpec::parse(argument).map_err(|error| error.to_string())
}

/// `On` or `Off`.
///
/// # Errors
/// It is neither.
pub fn flag(argument: &str) -> Result<bool, String> {
    match argument.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("takes On or Off, not {argument}")),
    }
}
