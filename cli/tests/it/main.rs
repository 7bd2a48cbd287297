//! The commands as a user types them: what they print, and the code they end with.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do; the linter knows only the tests themselves"
)]

mod accounts; // users, roles, grants, keys, rules, tokens, audit: what is asked and printed
mod administration; // users, roles, grants, keys, rules: on the real thing
mod backup; // backup and restore, with and without a server
mod check; // the background check of a server
mod config; // the order of the sources, and every complaint about a value
mod content; // repositories, tags, manifests, uploads, likewise
mod du;
mod elsewhere; // a server that answers what it is told to
mod gc; // running it, its plan, its orders
mod generated; // completions and manual pages
mod help; // --help and --version as they are printed
mod holdings; // repositories, tags, manifests, uploads, the audit log: on the real thing
mod manage; // the socket, and which server answers on it
mod migrate_fresh; // destroying everything, and nothing by accident
mod new_repo;
mod remote; // a server elsewhere, and as whom it is asked
mod resume; // an upload that continues after the server was killed
mod serve; // start, first start, signals, kill and restart
mod support; // a home directory, a command in it, a running server
mod terminal; // what a person is asked, and what is not shown
mod tui; // the terminal client at a terminal
mod undelete; // restoring what was deleted
mod why;
