//! The commands about accounts against the real thing: in the command's own process, through the socket
//! of a running server, and over HTTP as its administrator. All three must do the same.

use crate::support::{Home, PASSWORD, Ran, Server};
use serde_json::json;
use std::io::Write as _;
use std::process::Stdio;

/// How commands reach the accounts.
struct Way {
    home: Home,
    server: Option<Server>,
    more: Vec<String>,
}

// === impl Way ===

impl Way {
    fn all() -> [(&'static str, Self); 3] {
        let here = Self {
            home: Home::new(),
            server: None,
            more: Vec::new(),
        };
        // Its store exists, as that of the others does.
        assert_eq!(here.home.run(&["new-repo", "other"]).code, Some(0));
        let home = Home::new();
        let socket = Self {
            server: Some(home.serve_accounts(&[])),
            home,
            more: Vec::new(),
        };
        let home = Home::new();
        let server = home.serve_accounts(&[]);
        let url = format!("http://{}", server.address);
        let key = format!("floundr_admin:{PASSWORD}");
        let elsewhere = Self {
            home,
            server: Some(server),
            more: ["--url", &url, "--key", &key].map(str::to_owned).into(),
        };
        [("here", here), ("socket", socket), ("elsewhere", elsewhere)]
    }

    fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    fn run_with(&self, line: &str, input: &str) -> Ran {
        let more = self.more.iter().map(String::as_str);
        let args: Vec<_> = line.split(' ').chain(more).collect();
        let mut command = self.home.command(&args);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may be over before this is written.
        drop(stdin.write_all(input.as_bytes()));
        drop(stdin);
        Ran::from(child.wait_with_output().unwrap())
    }

    #[track_caller]
    fn prints(&self, line: &str, expected: &str) {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "{line}: {}", ran.stderr);
        assert!(ran.stdout.contains(expected), "{line}: {}", ran.stdout);
    }

    #[track_caller]
    fn refuses(&self, line: &str, expected: &str) {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(1), "{line}: {}", ran.stdout);
        assert!(ran.stderr.contains(expected), "{line}: {}", ran.stderr);
    }
}

#[test]
fn users_roles_and_grants_are_managed_alike_in_every_way() {
    for (name, way) in Way::all() {
        println!("{name}");
        let ran = way.run_with(
            "user create ann --group ops --password-stdin",
            "a good password\n",
        );
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(
            ran.stdout.starts_with("created user ann\n"),
            "{}",
            ran.stdout
        );
        way.refuses("new-user ann --password another1", "ann");
        way.prints("new-user Bob@Example.com", "  password: ");
        way.prints("user list --filter ob@", "bob@example.com");

        way.prints(
            "role create mirror pull,push",
            "created role mirror: pull, push",
        );
        way.prints("role list", "maintainer");
        way.prints(
            "grant add writer team/** --user ann",
            "user ann is writer on team/**",
        );
        way.prints(
            "grant add mirror dev/** --group ops",
            "group ops is mirror on dev/**",
        );
        way.refuses("role delete mirror", "in use");
        way.refuses("grant add writer team/** --user nobody", "nobody");
        way.prints("user show ann", "  writer on team/** (grant ");
        way.prints("explain ann push team/app", "ann may push team/app\n");
        way.prints("explain ann push dev/app", "ann may push dev/app\n");
        way.prints(
            "explain ann delete team/app",
            "ann may not delete team/app\n",
        );

        let grants = way.run("grant list --user ann --json").json();
        let id = grants["items"][0]["id"].to_string();
        way.prints(&format!("grant remove {id}"), "removed grant");
        way.prints("explain ann push team/app", "ann may not push team/app\n");
        way.prints("user groups ann", "user ann is in: -\n");
        way.prints("explain ann push dev/app", "ann may not push dev/app\n");

        way.prints("user disable ann", "user ann is disabled");
        way.prints("user list", "disabled");
        way.prints("user enable ann", "let in again");
        let ran = way.run_with("user passwd ann --password-stdin", "a better password\n");
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        way.prints("user delete ann --yes", "deleted user ann\n");
        way.refuses("user show ann", "ann");
        way.prints("token rotate", "tokens are signed with key ");
        if way.server.is_some() {
            way.refuses("user delete floundr_admin --yes", "last administrator");
        }
    }
}

#[test]
fn keys_and_rules_are_managed_alike_in_every_way() {
    for (name, way) in Way::all() {
        println!("{name}");
        way.prints("new-user ann", "created user ann\n");
        way.prints("gen-key ann --output-file key.txt", "written to key.txt\n");
        let written = std::fs::read_to_string(way.home.path().join("key.txt")).unwrap();
        assert!(
            written.starts_with("flr_") && written.len() == 86,
            "{written}"
        );
        way.refuses("gen-key nobody --output-file other.txt", "nobody");
        assert!(!way.home.path().join("other.txt").exists());

        let line = "key create ci --owner ann --scope team/**=pull,push --expires 1d --json";
        let made = way.run(line).json();
        assert_eq!(made["owner"], "ann");
        assert!(made["expires"].as_u64() > made["created"].as_u64());
        let scopes = json!([{ "on": "team/**", "permissions": ["pull", "push"] }]);
        assert_eq!(made["scopes"], scopes);
        way.refuses("key create ci --owner ann", "ci");
        way.prints(
            "key create deploy --robot --scope **=pull",
            "(deploy) of a robot\n",
        );
        way.prints("key list --owner ann", "team/**=pull,push");
        way.prints("key list", "(robot)");
        let id = made["id"].as_str().unwrap();
        way.prints(&format!("key revoke {id} --yes"), "revoked key");
        way.refuses(&format!("key revoke {id} --yes"), id);

        way.prints(
            "rule set team/** --public --immutable-tags v*",
            "immutable tags v*\n",
        );
        way.prints(
            "rule set team/** --quota 1GiB",
            "public, quota 1.0 GiB, immutable tags v*\n",
        );
        way.prints("rule list --filter team", "1.0 GiB");
        way.prints(
            "rule set team/** --no-immutable-tags --private",
            "not public, quota 1.0 GiB",
        );
        way.prints("rule set team/** --no-quota", "says nothing any more");
        way.refuses("rule delete team/**", "team/**");
    }
}

#[test]
fn a_user_does_what_they_may_and_is_told_what_they_may_not() {
    let home = Home::new();
    let server = home.serve_accounts(&[]);
    home.run(&["new-user", "ann", "--password", "a good password"]);
    let url = format!("http://{}", server.address);
    let ask = |args: &[&str], key: &str| {
        home.run_with(args, &[("FLOUNDR_URL", &url), ("FLOUNDR_KEY", key)])
    };
    let mine = "ann:a good password";
    let refused = ask(&["user", "list"], mine);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("user ann may not do this"),
        "{}",
        refused.stderr
    );

    let made = ask(&["key", "create", "laptop", "--json"], mine).json();
    assert_eq!(made["owner"], "ann");
    let key = made["secret"].as_str().unwrap();
    let listed = ask(&["key", "list"], key);
    assert!(listed.stdout.contains("laptop"), "{}", listed.stderr);
    ask(
        &["key", "revoke", made["id"].as_str().unwrap(), "--yes"],
        mine,
    );
    let refused = ask(&["key", "list"], key);
    assert!(
        refused.stderr.contains("does not accept key "),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains(key.rsplit('_').next().unwrap()));

    let explained = ask(&["explain", "ann", "pull", "team/app"], mine);
    assert_eq!(explained.code, Some(0), "{}", explained.stderr);
    let refused = ask(&["explain", "floundr_admin", "pull", "team/app"], mine);
    assert_eq!(refused.code, Some(1));
}
