//! A security context in raw form: `user:role:type[:range]`.
//!
//! Owns its grammar and normal form, and the grammar of the names in it. It must not ask the
//! policy whether a name exists or whether user, role, type and range go together.

use std::fmt;

use super::escape::quoted;
use super::range::{Range, RangeError};

/// The longest context, in bytes, that the kernel takes: `lsm_set_self_attr` allows a page for its
/// 32-byte header, the text and the NUL after it; `attr/current` a little more.
pub const MAX_CONTEXT: usize = 4096 - 32 - 1;

/// The longest name of a user, role or type, in bytes.
const MAX_NAME: usize = 255;

/// Why a text is not a context.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ContextError {
    /// Fewer than three fields.
    #[error("{0} is not a context: write user:role:type, and :range where the policy has ranges")]
    Fields(String),
    /// A name the policy language cannot have.
    #[error(
        "{0} is not the name of a {1}: it starts with a letter, goes on with letters, digits and \
         `_`, `-` or `.`, and has at most {MAX_NAME} characters"
    )]
    Name(String, &'static str),
    /// The fourth field is not a raw range.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// Longer than the kernel takes.
    #[error("the context is {0} bytes long and the kernel takes {MAX_CONTEXT}: use fewer categories")]
    TooLong(usize),
}

/// A whole context, `user:role:type[:range]`, in raw (untranslated) form, normalised: two are equal
/// when the kernel would take them for the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Context {
    user: String,
    role: String,
    type_: String,
    range: Option<Range>,
}

impl Context {
    /// Reads `user:role:type` or `user:role:type:range`.
    ///
    /// # Errors
    /// [`ContextError`] where a field is missing, not a possible name, or not a raw range, or the
    /// text is longer than the kernel takes.
    pub fn parse(text: &str) -> Result<Self, ContextError> {
        if text.len() > MAX_CONTEXT {
            return Err(ContextError::TooLong(text.len()));
        }
        let mut fields = text.splitn(4, ':');
        let (Some(user), Some(role), Some(type_)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(ContextError::Fields(quoted(text)));
        };
        let range = fields.next().map(Range::parse).transpose()?;
        Ok(Self { range, ..Self::without_range(user, role, type_)? })
    }

    /// The context of these three names.
    pub(super) fn without_range(user: &str, role: &str, type_: &str) -> Result<Self, ContextError> {
        Ok(Self {
            user: name(user, "user")?,
            role: name(role, "role")?,
            type_: name(type_, "type")?,
            range: None,
        })
    }

    /// This context with another type, which the caller has checked by [`name`].
    pub(super) fn with_type(&self, type_: &str) -> Self {
        Self { type_: type_.to_owned(), ..self.clone() }
    }

    /// This context with another range, or none.
    #[must_use]
    pub fn with_range(self, range: Option<Range>) -> Self {
        Self { range, ..self }
    }

    /// The label of a file of this type that a process in this context has for itself: at the low level of its range.
    ///
    /// # Errors
    /// There is no such label.
    pub fn file_label(&self, type_: &str) -> Result<Self, ContextError> {
        let label = Self::parse(&format!("{}:object_r:{type_}", self.user))?;
        Ok(label.with_range(self.range.as_ref().map(Range::low)))
    }

    /// Refuses a context that is longer than the kernel takes.
    pub(super) fn within_limit(self) -> Result<Self, ContextError> {
        let names = self.user.len() + self.role.len() + self.type_.len() + 3;
        let at_most = names + self.range.as_ref().map_or(0, Range::longest);
        // Few are so long that their text has to be written to know.
        let length = if at_most > MAX_CONTEXT { self.to_string().len() } else { at_most };
        if length > MAX_CONTEXT { Err(ContextError::TooLong(length)) } else { Ok(self) }
    }

    /// The user, in the policy's sense.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The type, which for a process is its domain.
    #[must_use]
    pub fn type_(&self) -> &str {
        &self.type_
    }

    /// The range; `None` where the policy has none.
    #[must_use]
    pub fn range(&self) -> Option<&Range> {
        self.range.as_ref()
    }
}

impl fmt::Display for Context {
    /// The kernel's own text for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.user, self.role, self.type_)?;
        self.range.as_ref().map_or(Ok(()), |range| write!(f, ":{range}"))
    }
}

/// `text` as the name of a `what` (user, role or type). The characters are those of the policy
/// language (checkpolicy's IDENTIFIER, CIL's `cil_verify_name`); length is bounded because
/// messages, logs and environment variables carry these names.
pub(super) fn name(text: &str, what: &'static str) -> Result<String, ContextError> {
    let rest_is_good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let good = text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(rest_is_good);
    if good { Ok(text.to_owned()) } else { Err(ContextError::Name(quoted(text), what)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::range::tests::range_text;
    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_parses_back_to_itself(
            names in "([a-z][a-z0-9_.-]{0,9}:){2}[A-Z][a-z0-9_.-]{0,9}",
            range in proptest::option::of(range_text()),
        ) {
            let text = range.as_ref().map_or(names.clone(), |range| format!("{names}:{range}"));
            let context = Context::parse(&text).unwrap();
            prop_assert_eq!(&Context::parse(&context.to_string()).unwrap(), &context);
            let range = range.map(|range| Range::parse(&range).unwrap());
            prop_assert_eq!(context.range(), range.as_ref());
            let without_range = context.clone().with_range(None);
            prop_assert_eq!(&without_range.to_string(), &names);
            prop_assert_eq!(&without_range.with_range(range.clone()), &context);
            let longest = range.map_or(0, |range| range.longest());
            prop_assert!(context.to_string().len() <= names.len() + 1 + longest);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(\\PC*|[a-c_r:s0-9.,-]{0,40})") {
            if let Ok(context) = Context::parse(&text) {
                prop_assert_eq!(Context::parse(&context.to_string()).unwrap(), context);
            }
        }
    }

    #[test]
    fn fields_are_where_they_belong() {
        let context = Context::parse("system_u:system_r:httpd_t:s0:c1,c0").unwrap();
        assert_eq!((context.user(), context.role()), ("system_u", "system_r"));
        assert_eq!(context.type_(), "httpd_t");
        assert_eq!(context.to_string(), "system_u:system_r:httpd_t:s0:c0,c1");
        assert_eq!(context.with_type("a_t").to_string(), "system_u:system_r:a_t:s0:c0,c1");
        assert_eq!(Context::parse("u:r:t").unwrap().range(), None);
    }

    #[test]
    fn refuses_what_is_no_context() {
        let texts = "|kernel|u:r|u:r:|:r:t|u::t|u:r:t:|u:r:t:SystemLow|u:r:*|u:r:t t|u:r:t\n|\
            u:r:t\0|u:r:0t|u:r:_t|u:r:t\u{fc}|u:r:t:s0:c5.c3";
        for text in texts.split('|') {
            assert!(Context::parse(text).is_err(), "{text:?} was taken");
        }
        assert!(Context::parse(&format!("u:r:{}", "t".repeat(255))).is_ok());
        assert!(Context::parse(&format!("u:r:{}", "t".repeat(256))).is_err());
        let long = format!("u:r:t:s0:{}c1", "c0,".repeat(2000));
        assert_eq!(Context::parse(&long), Err(ContextError::TooLong(long.len())));
    }
}
