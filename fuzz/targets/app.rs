//! Applications' files: any text is read or refused with its line, and what is read keeps its limits.
#![no_main]

use apps::App;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|text: &str| match App::parse("web", text) {
    Ok(app) => {
        assert!(Path::new(&app.command[0]).is_absolute());
        assert!((1..=1000).contains(&app.processes) && (1..=10_000).contains(&app.contexts));
        assert!(!app.idle.is_zero() && app.memory != Some(0));
        assert!(!app.callers.is_empty());
        // What becomes an argument or a variable is one: nothing ends it early.
        let words = app.command.iter().chain(app.environment.values());
        for word in words {
            let expanded = App::expand(word, app.state.then_some("/state"));
            assert!(!expanded.contains('\0') && !expanded.contains("${STATE}"));
        }
        assert!(app.environment.keys().all(|name| !name.is_empty() && !name.contains(['=', '\0'])));
        let is_name = |text: &str| !text.is_empty() && !text.contains([':', ' ', '\0', '\n']);
        assert!(app.callers.iter().all(|(worker, app)| is_name(worker) && is_name(app)));
    }
    Err(error) => {
        assert!((1..=1 + text.matches('\n').count()).contains(&error.line), "{error}");
        assert!(!error.text.contains(char::is_control), "{error}");
    }
});
