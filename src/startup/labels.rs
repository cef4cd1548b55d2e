//! Whether what a request makes gets its categories. The policy says that, and policies differ: on Debian new files have
//! their maker's, on Fedora and RHEL their folder's.

use crate::selinux::contexts::ContextSet;
use crate::selinux::query;
use mapping::{Context, Range};
use messages::{Code, Message};
use std::collections::BTreeMap;

/// Where requests make files: content, scratch files, and PHP's sessions and sockets.
const FOLDERS: [&str; 3] = ["httpd_sys_rw_content_t", "tmp_t", "httpd_var_run_t"];

const CLASSES: [&str; 2] = ["file", "dir"];

/// [`Code::FolderCategories`] for what requests in these contexts make, or in others that are not known yet (`or_others`); `None` where all of
/// it has the categories of its maker, as far as the policy tells.
pub fn warning(reachable: &ContextSet, or_others: bool, server: &Context) -> Option<Message> {
    let mut makers = BTreeMap::new();
    for reached in reachable.iter().filter(|reached| has_categories(&reached.context)) {
        makers.entry(reached.context.type_()).or_insert_with(|| reached.context.clone());
    }
    let mut makers: Vec<_> = makers.into_values().collect();
    if makers.is_empty() && or_others {
        makers.push(server.clone().with_range(Range::parse("s0:c0").ok()));
    }
    let lost: Vec<_> = makers
        .iter()
        .flat_map(|maker| FOLDERS.map(|folder| (maker, folder)))
        .filter(|(maker, folder)| CLASSES.iter().any(|class| loses_categories(maker, folder, class)))
        .map(|(maker, folder)| format!("{maker} in {folder}"))
        .collect();
    (!lost.is_empty()).then(|| {
        Code::FolderCategories.message(format!(
            "by the loaded policy, what a request makes has the categories of its folder, not of the request, and is refused in a folder without ({}): give each context folders with its categories for sessions, uploads and scratch files, as docs/recipes/places.md shows",
            lost.join("; ")
        ))
    })
}

fn has_categories(context: &Context) -> bool {
    context.range().is_some_and(|range| !range.categories()[0].is_empty())
}

/// Whether a file in a folder without categories would not have those of its maker.
fn loses_categories(maker: &Context, folder: &str, class: &str) -> bool {
    let Some(own) = maker.range() else { return false };
    let made = query::range_of_new(maker, folder, &own.lowest(), class);
    made.is_some_and(|made| made.categories()[0] != own.categories()[0])
}
