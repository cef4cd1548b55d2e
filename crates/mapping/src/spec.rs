//! A domain spec: what a mapping names.
//!
//! Owns its grammar and how it is completed from the context the server runs in. It must not
//! translate range names (libselinux does, in the caller) nor check anything against the policy.

use std::fmt;

use super::context::{Context, ContextError, name};
use super::escape::quoted;
use super::range::{Range, RangeError};

/// The longest spec, in bytes: more than any context the kernel takes.
const MAX_SPEC: usize = 4096;

/// Why a text is not a domain spec, or why a spec gives no context on this server.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpecError {
    /// Nothing is there.
    #[error("the domain is empty: write type or type:range, such as user_webapp_t:s0:c0")]
    Empty,
    /// Bytes that are no text.
    #[error("the domain is not UTF-8: write it in the letters that the policy and mcstransd have")]
    Encoding,
    /// Longer than any context can be.
    #[error("the domain is {0} bytes long and may have {MAX_SPEC}: use fewer categories")]
    TooLong(usize),
    /// A name that the policy language cannot have, or a whole context that is too long.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// `*` inside a whole context.
    #[error("{0} is a whole context, which cannot have `*` in it: write type:range to keep the rest")]
    Star(String),
    /// A raw range that is not right.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// Categories without their sensitivity.
    #[error("{0} is not a range: write the sensitivity first, such as s0:c0")]
    NoSensitivity(String),
    /// Neither a raw range nor what mcstransd could have a name for.
    #[error(
        "{0} is not a range: write it raw, such as s0:c0, or as a name that mcstransd knows, \
         without blanks and backslashes"
    )]
    RangeName(String),
    /// A name of a range that nobody has translated.
    #[error(
        "the range {0} is not known on this machine: write it raw, such as s0:c0, or see that \
         mcstransd runs and its setrans.conf has that name"
    )]
    Untranslated(String),
    /// A whole context without a range, where the policy has ranges.
    #[error("{0} has no range, and this machine's policy has ranges: add one, such as :s0")]
    RangeMissing(String),
    /// A range, where the policy has none.
    #[error("{0} has a range, and this machine's policy has no ranges: take it away")]
    RangeUnknown(String),
}

/// A domain spec: `type[:range]`, either part `*` for 'keep the server's', or a whole context
/// `user:role:type[:range]` (three fields or more whose second ends in `_r`).
///
/// `type` alone keeps the server's range, as `type:*` does: both are the same spec.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DomainSpec {
    base: Base,
    range: RangePart,
}

/// What a spec says of all but the range.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Base {
    /// `*`
    Server,
    /// The server's user and role with this type.
    Type(String),
    /// A whole context, held here without its range.
    Whole(Context),
}

/// What a spec says of the range.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum RangePart {
    /// Nothing, or `*`.
    Unwritten,
    Raw(Range),
    /// A name for libselinux to translate.
    Name(String),
}

impl DomainSpec {
    /// Reads a domain spec.
    ///
    /// # Errors
    /// [`SpecError`] where the text is none. A range that starts as a raw one does (`s` and a
    /// digit) must be one; any other is taken for a translated name, which only libselinux can
    /// judge: see [`Self::translated_range`].
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        if text.is_empty() {
            return Err(SpecError::Empty);
        }
        if text.len() > MAX_SPEC {
            return Err(SpecError::TooLong(text.len()));
        }
        let mut fields = text.splitn(4, ':');
        if let (Some(user), Some(role), Some(type_)) = (fields.next(), fields.next(), fields.next())
            && role.ends_with("_r")
        {
            let range = fields.next();
            if [user, role, type_].contains(&"*") || range == Some("*") {
                return Err(SpecError::Star(quoted(text)));
            }
            let base = Base::Whole(Context::without_range(user, role, type_)?);
            return Ok(Self { base, range: RangePart::parse(range)? });
        }
        let (type_, range) = match text.split_once(':') {
            Some((type_, range)) => (type_, Some(range)),
            None => (text, None),
        };
        let base = if type_ == "*" { Base::Server } else { Base::Type(name(type_, "type")?) };
        Ok(Self { base, range: RangePart::parse(range)? })
    }

    /// Reads a domain spec in bytes from outside.
    ///
    /// # Errors
    /// As [`Self::parse`], and [`SpecError::Encoding`] where they are not UTF-8.
    pub fn parse_bytes(text: &[u8]) -> Result<Self, SpecError> {
        Self::parse(str::from_utf8(text).map_err(|_| SpecError::Encoding)?)
    }

    /// The range text where it is a translated name (`SystemLow`, `SystemLow-SystemHigh`,
    /// `Secret:AB`), which the caller has translated by libselinux before [`Self::resolve`].
    #[must_use]
    pub fn translated_range(&self) -> Option<&str> {
        match &self.range {
            RangePart::Name(name) => Some(name),
            RangePart::Unwritten | RangePart::Raw(_) => None,
        }
    }

    /// The two parts, as they are written: `*`, a type or `user:role:type`, and the range, if any.
    #[must_use]
    pub fn parts(&self) -> (String, Option<String>) {
        let range = match &self.range {
            RangePart::Unwritten => None,
            RangePart::Raw(range) => Some(range.to_string()),
            RangePart::Name(name) => Some(name.clone()),
        };
        let base = Self { base: self.base.clone(), range: RangePart::Unwritten };
        (base.to_string(), range)
    }

    /// The raw range, where one is written.
    #[must_use]
    pub fn raw_range(&self) -> Option<&Range> {
        match &self.range {
            RangePart::Raw(range) => Some(range),
            RangePart::Unwritten | RangePart::Name(_) => None,
        }
    }

    /// This spec with `range` for its range: the place where a translated one is replaced.
    #[must_use]
    pub fn with_raw_range(self, range: Range) -> Self {
        Self { range: RangePart::Raw(range), ..self }
    }

    /// The whole context for a server running as `server`.
    ///
    /// # Errors
    /// [`SpecError::Untranslated`] while a translated range is still in it;
    /// [`SpecError::RangeMissing`] or [`SpecError::RangeUnknown`] where only one of the server's
    /// context and the result has a range; [`SpecError::Context`] where the result is longer than
    /// the kernel takes.
    pub fn resolve(&self, server: &Context) -> Result<Context, SpecError> {
        let base = match &self.base {
            Base::Server => server.clone(),
            Base::Type(type_) => server.with_type(type_),
            Base::Whole(context) => context.clone(),
        };
        let context = match &self.range {
            RangePart::Unwritten => base,
            RangePart::Raw(range) => base.with_range(Some(range.clone())),
            RangePart::Name(name) => return Err(SpecError::Untranslated(quoted(name))),
        };
        // The kernel prints a range in every context or in none.
        match (server.range(), context.range()) {
            (Some(_), None) => return Err(SpecError::RangeMissing(quoted(self.to_string()))),
            (None, Some(_)) => return Err(SpecError::RangeUnknown(quoted(self.to_string()))),
            (Some(_), Some(_)) | (None, None) => {}
        }
        // A longer one would reach the kernel cut short, and mean something else there.
        Ok(context.within_limit()?)
    }
}

impl RangePart {
    /// Reads what stands behind the type; `None` where nothing does.
    fn parse(text: Option<&str>) -> Result<Self, SpecError> {
        let text = match text {
            None | Some("*") => return Ok(Self::Unwritten),
            Some(text) => text,
        };
        if Range::looks_raw(text) {
            return Ok(Self::Raw(Range::parse(text)?));
        }
        if text.starts_with('c') && text.bytes().all(|b| matches!(b, b'c' | b'.' | b',' | b'0'..=b'9')) {
            return Err(SpecError::NoSensitivity(quoted(text)));
        }
        // setrans.conf may give any text a meaning, colons included ("Secret:A" stands in its
        // examples); blanks, and backslashes at a line's end, cannot be written in a map file, so they are
        // refused everywhere.
        let good = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'\\'))
            && text.split(':').all(|part| !part.is_empty());
        if good { Ok(Self::Name(text.to_owned())) } else { Err(SpecError::RangeName(quoted(text))) }
    }
}

impl fmt::Display for DomainSpec {
    /// Prints what parses back to the same spec.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            Base::Server => f.write_str("*")?,
            Base::Type(type_) => f.write_str(type_)?,
            Base::Whole(context) => write!(f, "{context}")?,
        }
        match &self.range {
            RangePart::Unwritten => Ok(()),
            RangePart::Raw(range) => write!(f, ":{range}"),
            RangePart::Name(name) => write!(f, ":{name}"),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::range::tests::range_text;
    use super::*;

    /// Texts of valid specs of every form, for the other modules' tests.
    pub(in super::super) fn spec_text() -> impl Strategy<Value = String> {
        let base = prop_oneof![
            Just("*".to_owned()),
            "[a-z][a-z0-9_.-]{0,9}_t",
            "[a-z]{1,3}_u:[a-z]{1,3}_r:[a-z]{1,3}_t"
        ];
        let range = prop_oneof![
            range_text(),
            "System(Low|High)",
            "SystemLow-SystemHigh",
            "Secret:AB",
            "[A-Z][A-Za-z0-9_.,/+-]{0,9}"
        ];
        (base, proptest::option::of(range)).prop_map(|(base, range)| match range {
            Some(range) => format!("{base}:{range}"),
            None => base,
        })
    }

    fn resolved(spec: &str, server: &str) -> Result<String, SpecError> {
        let server = Context::parse(server).unwrap();
        DomainSpec::parse(spec)?.resolve(&server).map(|context| context.to_string())
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_back_to_itself(text in spec_text()) {
            let spec = DomainSpec::parse(&text).unwrap();
            prop_assert_eq!(DomainSpec::parse(&spec.to_string()).unwrap(), spec);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(\\PC*|[a-c_rS*:s0-9.,-]{0,30}|(\\*|a|u:r_r:t):s[s:0-9c.,-]{0,9})") {
            if let Ok(spec) = DomainSpec::parse(&text) {
                prop_assert_eq!(&DomainSpec::parse(&spec.to_string()).unwrap(), &spec);
                let _ = spec.resolve(&Context::parse("u:r:t:s0").unwrap());
            }
        }

        #[test]
        fn a_resolved_context_is_a_context(text in spec_text()) {
            let server = Context::parse("u:r:t:s0").unwrap();
            match DomainSpec::parse(&text).unwrap().resolve(&server) {
                Ok(context) => prop_assert_eq!(Context::parse(&context.to_string()).unwrap(), context),
                Err(SpecError::Untranslated(_) | SpecError::RangeMissing(_)) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    #[test]
    fn each_form_is_completed_from_the_server() {
        let server = "system_u:system_r:httpd_t:s0-s0:c0.c9";
        for (spec, context) in [
            ("*", server),
            ("*:*", server),
            ("a_t", "system_u:system_r:a_t:s0-s0:c0.c9"),
            ("a_t:*", "system_u:system_r:a_t:s0-s0:c0.c9"),
            ("*:s0:c7", "system_u:system_r:httpd_t:s0:c7"),
            ("*:s0-s0:c0.c1023", "system_u:system_r:httpd_t:s0-s0:c0.c1023"),
            ("a_t:s0:c1,c0", "system_u:system_r:a_t:s0:c0,c1"),
            ("u_u:r_r:a_t:s0", "u_u:r_r:a_t:s0"),
        ] {
            assert_eq!(resolved(spec, server).as_deref(), Ok(context), "{spec}");
        }
        assert_eq!(resolved("a_t", "u:r:t").as_deref(), Ok("u:r:a_t"));
    }

    #[test]
    fn a_range_is_written_where_the_policy_has_ranges_and_only_there() {
        assert!(matches!(resolved("u_u:r_r:a_t", "u:r:t:s0"), Err(SpecError::RangeMissing(_))));
        assert!(matches!(resolved("a_t:s0", "u:r:t"), Err(SpecError::RangeUnknown(_))));
    }

    #[test]
    fn type_alone_and_type_with_star_are_one_spec() {
        assert_eq!(DomainSpec::parse("a_t"), DomainSpec::parse("a_t:*"));
        assert_eq!(DomainSpec::parse("*"), DomainSpec::parse("*:*"));
    }

    #[test]
    fn a_translated_range_must_be_translated_first() {
        let server = Context::parse("u:r:t:s0").unwrap();
        for name in ["SystemLow", "SystemLow-SystemHigh", "CompanyConfidential", "Secret:AB", "s"] {
            for base in ["a_t", "*", "u:r_r:a_t"] {
                let spec = DomainSpec::parse(&format!("{base}:{name}")).unwrap();
                assert_eq!(spec.translated_range(), Some(name), "{base}:{name}");
                assert!(matches!(spec.resolve(&server), Err(SpecError::Untranslated(_))));
                let spec = spec.with_raw_range(Range::parse("s0:c3").unwrap());
                assert_eq!(spec.translated_range(), None);
                assert_eq!(spec.resolve(&server).unwrap().range().unwrap().to_string(), "s0:c3");
            }
        }
        assert_eq!(DomainSpec::parse("a_t:s0").unwrap().translated_range(), None);
    }

    #[test]
    fn refuses_what_is_no_spec() {
        let texts = "|:|:s0|a_t:|*:|a_t:s0:|a_t:s0:c5.c3|a_t:s0-SystemHigh|a_t:s0x|a_t:c0|\
            a_t:c0.c3,c5|a_t:System Low|a_t:-x|a_t:x::y|a_t:x:|a_t:x*|a_t:x\\|a_t:s0#x|a t| a_t|\
            a_t |a_t\n|a_t:\u{fc}|*a:s0|**|u:r_r:*|u:r_r:t:*|*:r_r:t|u:r_r:|u:r_r:t:|\
            u:_r:t";
        for text in texts.split('|') {
            assert!(DomainSpec::parse(text).is_err(), "{text:?} was taken");
        }
        assert_eq!(DomainSpec::parse(&"a".repeat(4097)), Err(SpecError::TooLong(4097)));
        assert_eq!(
            DomainSpec::parse("a_t:c0,c1").unwrap_err().to_string(),
            "`c0,c1` is not a range: write the sensitivity first, such as s0:c0"
        );
    }

    #[test]
    fn a_result_too_long_for_the_kernel_is_refused() {
        let categories: Vec<_> = (0..742).map(|n| format!("c{}", n * 2)).collect();
        let server = format!("u:r:{}:s0", "t".repeat(255));
        let long = format!("*:s0:{}", categories.join(","));
        assert!(long.len() <= MAX_SPEC);
        assert!(matches!(resolved(&long, &server), Err(SpecError::Context(ContextError::TooLong(_)))));
    }
}
