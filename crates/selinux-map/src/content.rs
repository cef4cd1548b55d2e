//! The commands that label a user's content.
//!
//! Owns quoting: for the shell, and for the regular expressions of file contexts. A user's name comes from
//! outside and may have anything in it.

use std::iter;

/// Where users have their content.
#[derive(Clone, Debug)]
pub struct Template(String);

impl Template {
    /// Reads an absolute path with `%u` for the user's name and `%%` for a percent sign.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        while let Some((_, behind)) = rest.split_once('%') {
            rest = behind
                .strip_prefix(['u', '%'])
                .ok_or("write %u for the user's name and %% for a percent sign")?;
        }
        Self::folder(text).map(Self)
    }

    /// Reads an absolute path that is one folder's, without a slash at its end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn folder(text: &str) -> Result<String, String> {
        if text.chars().any(char::is_control) || text.split('/').any(|part| part == "..") {
            return Err("control characters and `..` cannot be in it".to_owned());
        }
        let path = text.trim_end_matches('/');
        if !path.starts_with('/') {
            return Err("write an absolute path, and not the root folder".to_owned());
        }
        Ok(path.to_owned())
    }

    /// Whether each user has a folder.
    pub fn has_user(&self) -> bool {
        self.0.replace("%%", "").contains("%u")
    }

    /// The folder of a user.
    ///
    /// # Errors
    /// Where the name would lead out of it, to another place.
    pub fn path(&self, user: &str) -> Result<String, String> {
        if self.has_user()
            && (user.contains('/') || user == "." || user == ".." || user.chars().any(char::is_control))
        {
            return Err(format!(
                "{user:?} cannot be part of a path: give --path without %u, one user at a time"
            ));
        }
        let parts: Vec<_> = self.0.split("%%").map(|part| part.replace("%u", user)).collect();
        Ok(parts.join("%"))
    }
}

/// The commands that give all in `path` this range: at once, and for good.
pub fn commands(path: &str, type_: &str, range: &str) -> Vec<String> {
    let word = shell_word(path);
    vec![
        format!("chcon -R -l {range} -- {word}"),
        label(path, type_, range),
        format!("restorecon -RF {word}"),
    ]
}

/// The commands that make a folder for sessions, uploads and scratch files of this range.
pub fn scratch_commands(path: &str, unix_user: &str, range: &str) -> Vec<String> {
    let (word, user) = (shell_word(path), shell_word(unix_user));
    vec![
        format!("install -d -m 700 -o {user} -- {word}"),
        label(path, "httpd_tmp_t", range),
        format!("restorecon -RF {word}"),
    ]
}

/// The command that has all in `path` labelled so for good.
pub fn label(path: &str, type_: &str, range: &str) -> String {
    let pattern = shell_word(&format!("{}(/.*)?", escaped_pattern(path)));
    format!("semanage fcontext -a -t {type_} -r {range} {pattern}")
}

/// `text` as one word of a shell.
pub fn shell_word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `text` as a regular expression of file contexts that matches it alone. semanage takes no blanks.
fn escaped_pattern(text: &str) -> String {
    let special = |c: char| c.is_ascii_punctuation() && !"/_-,:@%='\"`~!&;<>#".contains(c);
    text.chars()
        .flat_map(|c| {
            let blank = (c == ' ').then_some(r"\x20".chars());
            let escape = special(c).then_some('\\');
            let own = (c != ' ').then_some(c);
            blank.into_iter().flatten().chain(escape).chain(iter::once(own).flatten())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_shell_reads_back_the_word(text in "[ -~]{0,20}|\\PC{1,9}") {
            let script = format!("printf %s {}", shell_word(&text));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }

        #[test]
        fn a_pattern_matches_the_name_alone(name in "[!-~]{1,9}", other in "[!-~]{1,9}") {
            // grep's Perl expressions are those of file contexts (PCRE2).
            let script = "printf '%s\\n' \"$1\" | grep -Pqx -- \"$2\"";
            let pattern = escaped_pattern(&name);
            let matches = |text: &str| {
                Command::new("sh").args(["-c", script, "sh", text, &pattern]).status().unwrap().success()
            };
            prop_assert!(matches(&name));
            prop_assert_eq!(matches(&other), name == other);
        }
    }

    #[test]
    fn commands_name_the_users_folder_and_no_other() {
        let path = Template::parse("/home/%u/public_html/").unwrap().path("o'neil jr.").unwrap();
        assert_eq!(
            commands(&path, "httpd_sys_content_t", "s0:c0,c1"),
            [
                r"chcon -R -l s0:c0,c1 -- '/home/o'\''neil jr./public_html'",
                r"semanage fcontext -a -t httpd_sys_content_t -r s0:c0,c1 '/home/o'\''neil\x20jr\./public_html(/.*)?'",
                r"restorecon -RF '/home/o'\''neil jr./public_html'",
            ]
        );
        let template = Template::parse("/srv/100%%/%u").unwrap();
        assert_eq!(template.path("foo").unwrap(), "/srv/100%/foo");
        for name in ["..", ".", "../../etc", "a/b", "a\nb"] {
            assert!(template.path(name).is_err(), "{name:?}");
        }
        for wrong in ["", "/", "www/%u", "/www/%x", "/www/%", "/a/../%u", "/a\n/%u"] {
            assert!(Template::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(!Template::parse("/a%%u").unwrap().has_user());
    }
}
