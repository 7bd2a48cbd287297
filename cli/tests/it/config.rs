//! Settings: which source wins, what is printed, and every complaint.

use crate::support::{Home, Ran};
use serde_json::Value;

/// A setting as each source gives it, and its default.
struct Case {
    name: &'static str,
    flag: Option<[&'static str; 2]>,
    variable: &'static str,
    values: [&'static str; 4],
    default: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        name: "port",
        flag: Some(["--port", "1"]),
        variable: "PORT",
        values: ["1", "2", "3", "4"],
        default: Some("8080"),
    },
    Case {
        name: "host",
        flag: Some(["--host", "127.0.0.1"]),
        variable: "HOST",
        values: ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"],
        default: Some("127.0.0.1"),
    },
    Case {
        name: "storage_path",
        flag: Some(["--storage-path", "/a"]),
        variable: "FLOUNDR_STORAGE_PATH",
        values: ["/a", "/b", "/c", "/d"],
        default: None,
    },
    Case {
        name: "gc_grace",
        flag: Some(["--gc-grace", "0s"]),
        variable: "FLOUNDR_GC_GRACE",
        values: ["0s", "1m", "2m", "3d"],
        default: Some("1h"),
    },
    Case {
        name: "missing_blobs",
        flag: Some(["--missing-blobs", "accept"]),
        variable: "FLOUNDR_MISSING_BLOBS",
        values: ["accept", "refuse", "accept", "refuse"],
        default: Some("refuse"),
    },
    Case {
        name: "log_level",
        flag: None,
        variable: "LOG_LEVEL",
        values: ["", "warn", "error", "trace"],
        default: Some("info"),
    },
    Case {
        name: "app_url",
        flag: None,
        variable: "APP_URL",
        values: ["", "http://b", "http://c", "http://d"],
        default: None,
    },
];

fn setting(ran: &Ran, name: &str) -> (Option<String>, String) {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let whole: Value = serde_json::from_str(&ran.stdout).unwrap();
    let setting = &whole["settings"][name];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    (text(&setting["value"]), text(&setting["source"]).unwrap())
}

#[test]
fn flags_win_over_environment_over_dot_env_over_file_over_default() {
    for case in CASES {
        let home = Home::new();
        let [flag, environment, dot_env, file] = case.values.map(|value| Some(value.to_owned()));
        let (name, variable) = (case.name, case.variable);
        let config = |args: &[&str], variables: &[(&str, &str)]| {
            let args = [&["config", "--json"], args].concat();
            setting(&home.run_with(&args, variables), name)
        };

        let (value, source) = config(&[], &[]);
        if case.default.is_some() {
            assert_eq!(value.as_deref(), case.default, "{name}");
        }
        assert_eq!(source, "default", "{name}");

        let quoted = format!("# a comment\n{name} = {:?}\n", case.values[3]);
        home.write("floundr.toml", &quoted);
        assert_eq!(config(&[], &[]), (file, "floundr.toml line 2".to_owned()));

        home.write(".env", &format!("export {variable}={}\n", case.values[2]));
        let expected = (dot_env, format!("{variable} in .env"));
        assert_eq!(config(&[], &[]), expected);
        let empty = [(variable, "")];
        assert_eq!(config(&[], &empty), expected, "an empty variable is absent");

        let set = [(variable, case.values[1])];
        let expected = (environment, format!("{variable} in the environment"));
        assert_eq!(config(&[], &set), expected);

        if let Some(typed) = case.flag {
            assert_eq!(config(&typed, &set), (flag, typed[0].to_owned()));
        }
    }
}

#[test]
fn a_flag_may_stand_before_or_behind_the_command() {
    let home = Home::new();
    for args in [
        ["-p", "7", "config", "--json"],
        ["config", "--json", "-p", "7"],
    ] {
        assert_eq!(setting(&home.run(&args), "port").0.unwrap(), "7");
    }
}

#[test]
fn debug_is_the_log_level_debug() {
    let ran = Home::new().run(&["config", "--json", "--debug"]);
    let expected = (Some("debug".to_owned()), "--debug".to_owned());
    assert_eq!(setting(&ran, "log_level"), expected);
}

#[test]
fn the_home_directory_is_in_the_data_directory_of_the_user() {
    let home = Home::new();
    let config = |variables: &[(&str, &str)]| {
        let mut command = home.command(&["config", "--json"]);
        command.env_remove("FLOUNDR_HOME");
        command.envs(variables.iter().copied());
        Ran::from(command.output().unwrap())
    };
    let of = |variables: &[(&str, &str)]| setting(&config(variables), "home_dir").0.unwrap();
    assert_eq!(of(&[("HOME", "/h")]), "/h/.local/share/floundr");
    assert_eq!(of(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]), "/x/floundr");
    let relative = [("HOME", "/h"), ("XDG_DATA_HOME", "x")];
    assert_eq!(of(&relative), "/h/.local/share/floundr");
    let none = config(&[]);
    assert_eq!(none.code, Some(2));
    assert!(
        none.stderr
            .contains("name one with --home-dir or FLOUNDR_HOME")
    );
}

#[test]
fn the_store_lies_in_the_home_directory_or_where_it_is_told() {
    let home = Home::new();
    let of = |args: &[&str]| {
        let args = [&["config", "--json"], args].concat();
        setting(&home.run(&args), "storage_path").0.unwrap()
    };
    let default = home.path().join("storage").display().to_string();
    assert_eq!(of(&[]), default);
    assert_eq!(of(&["--home-dir", "/h"]), "/h/storage");
    assert_eq!(of(&["--home-dir", "/h", "--storage-path", "/s"]), "/s");
    assert_eq!(of(&["--db-path", "/d"]), "/d");
    home.write("floundr.toml", "storage_path = \"blobs\"\n");
    let relative_to_the_file = home.path().join("blobs").display().to_string();
    assert_eq!(of(&[]), relative_to_the_file);
}

#[test]
fn the_table_masks_secrets_and_says_what_one_should_know() {
    let home = Home::new();
    let variables = [
        ("JWT_SECRET_KEY", "swordfish swordfish"),
        (
            "FLOUNDR_JWT_PREVIOUS_KEY",
            "swordfish of long ago, with 32 bytes",
        ),
        ("FLOUNDR_ADMIN_PASSWORD", "swordfish"),
        ("FLOUNDR_KEY", "me:swordfish"),
        ("DATABASE_URL", "sqlite://x"),
    ];
    for args in [&["config"][..], &["config", "--json"]] {
        let ran = home.run_with(args, &variables);
        assert_eq!(ran.code, Some(0));
        assert!(!ran.stdout.contains("swordfish"));
        for expected in [
            "********",
            "JWT_SECRET_KEY in the environment",
            "DATABASE_URL in the environment is ignored: no database server or file is used",
            "jwt_secret_key has less than 32 bytes: whoever gets a token may guess it",
        ] {
            assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
        }
        assert!(
            !ran.stdout.contains("jwt_previous_key has"),
            "{}",
            ran.stdout
        );
    }
    let table = home.run(&["config"]).stdout;
    assert!(table.contains("floundr.toml (not there)"), "{table}");
}

#[test]
fn what_cannot_be_used_is_refused_by_name_value_and_source() {
    let home = Home::new();
    home.write("old.sqlite3", "");
    home.write("renamed", "SQLite format 3\0...");
    home.write("notes.txt", "");
    for (args, expected) in [
        (
            &["--port", "70000"][..],
            "port is \"70000\" (--port): not a port number",
        ),
        (
            &["--gc-grace", "1y"],
            "gc_grace is \"1y\" (--gc-grace): not a duration such as",
        ),
        (
            &["--driver", "s3"],
            "driver is \"s3\" (--driver), which is not available yet",
        ),
        (
            &["-d", "old.sqlite3"],
            "db_path (--db-path) names the SQLite file old.sqlite3",
        ),
        (
            &["-d", "new.sqlite3"],
            "db_path (--db-path) names the SQLite file new.sqlite3",
        ),
        (
            &["-d", "renamed"],
            "db_path (--db-path) names the SQLite file renamed",
        ),
        (
            &["-d", "notes.txt"],
            "is notes.txt, which is a file: it must be the store's directory",
        ),
        (
            &["-d", "/d", "--storage-path", "/s"],
            "give only one of them",
        ),
        (&["--ssl"], "ssl is on (--ssl) and cert_path is missing"),
        (
            &["--ssl", "--cert-path", "c"],
            "ssl is on (--ssl) and key_path is missing",
        ),
        (
            &["--cert-path", "c"],
            "cert_path is given (--cert-path) and ssl is off",
        ),
        (
            &["--key-path", "k"],
            "key_path is given (--key-path) and ssl is off",
        ),
    ] {
        let ran = home.run(&[&["config"], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}");
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
    }
}

#[track_caller]
fn assert_refused(home: &Home, variable: (&str, &str), expected: &str) {
    let ran = home.run_with(&["config"], &[variable]);
    assert_eq!(ran.code, Some(2), "{variable:?}");
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
}

#[test]
fn variables_that_cannot_be_used_are_refused_by_name_value_and_source() {
    let home = Home::new();
    for (variable, value, expected) in [
        (
            "PORT",
            "x",
            "port is \"x\" (PORT in the environment): not a port number",
        ),
        (
            "LOG_LEVEL",
            "verbose",
            "log_level is \"verbose\" (LOG_LEVEL in the environment)",
        ),
        ("FLOUNDR_NO_AUTH", "maybe", "neither true nor false"),
        (
            "FLOUNDR_GC_INTERVAL",
            "9ms",
            "gc_interval is \"9ms\" (FLOUNDR_GC_INTERVAL in the environment): less than 10ms",
        ),
        (
            "FLOUNDR_LEASE",
            "1ms",
            "lease is \"1ms\" (FLOUNDR_LEASE in the environment)",
        ),
        ("FLOUNDR_MAX_MANIFEST_SIZE", "4MB", "not a size such as"),
        ("FLOUNDR_MAX_CONNECTIONS", "0", "not a positive number"),
        (
            "FLOUNDR_TAG_HISTORY",
            "-1",
            "tag_history is \"-1\" (FLOUNDR_TAG_HISTORY in the environment): not a number between",
        ),
        ("FLOUNDR_UNDO", "1", "undo is \"1\""),
        ("FLOUNDR_REFUSE_REFERENCED", "2", "neither true nor false"),
        ("FLOUNDR_DURABILITY", "none", "not one of durable, relaxed"),
    ] {
        assert_refused(&home, (variable, value), expected);
    }
}

#[test]
fn the_settings_file_is_refused_by_line() {
    for (content, expected) in [
        (
            "port = 1\n\nprot = 2\n",
            "line 3: there is no setting \"prot\"; there are storage_path",
        ),
        (
            "home_dir = \"/x\"\n",
            "line 1: there is no setting \"home_dir\"",
        ),
        ("port = 1\nhost = [\n", "line 2: "),
        (
            "[[policy]]\nrepositories = \"**\"\nkeep_last = 0\n",
            "line 3: policy keep_last is \"0\": it would keep none",
        ),
        (
            "\nport = [1]\n",
            "line 2: port must be a text, a whole number, true or false",
        ),
        (
            "[server]\nport = 1\n",
            "line 1: there is no setting \"server\"",
        ),
        ("port = 99999\n", "port is \"99999\" (floundr.toml line 1)"),
    ] {
        let home = Home::new();
        home.write("floundr.toml", content);
        let ran = home.run(&["config"]);
        assert_eq!(ran.code, Some(2), "{content:?}");
        assert!(ran.stderr.contains(expected), "{content:?}: {}", ran.stderr);
    }
}

#[test]
fn addresses_lifetimes_and_names_of_accounts_are_refused_likewise() {
    let home = Home::new();
    for (variable, value, expected) in [
        (
            "APP_URL",
            "ftp://a",
            "app_url is \"ftp://a\" (APP_URL in the environment): app url \"ftp://a\" has another scheme",
        ),
        (
            "FLOUNDR_URL",
            "a b",
            "url is \"a b\" (FLOUNDR_URL in the environment): app url \"a b\" has no host",
        ),
        (
            "FLOUNDR_TRUSTED_PROXIES",
            "10.0.0.1 proxy",
            "\"proxy\" is neither an ip address nor a network",
        ),
        (
            "JWT_SECRET_KEY",
            "swordfish",
            "jwt_secret_key (JWT_SECRET_KEY in the environment) cannot be used: less than 16 bytes",
        ),
        ("FLOUNDR_TOKEN_LIFETIME", "59s", "less than a minute"),
        (
            "FLOUNDR_REFRESH_LIFETIME",
            "59m",
            "less than token_lifetime",
        ),
        ("FLOUNDR_SERVICE", "a\"b", "not 1 to 255 letters"),
        (
            "FLOUNDR_RATE_LIMIT",
            "1000001",
            "not a number between 0 and 1000000",
        ),
    ] {
        assert_refused(&home, (variable, value), expected);
    }
}

#[test]
fn a_secret_that_cannot_be_used_is_not_shown() {
    let home = Home::new();
    home.write("floundr.toml", "\nkey = \"\"\n");
    let ran = home.run(&["config"]);
    assert_eq!(ran.code, Some(2));
    let expected = "error: key (floundr.toml line 2) cannot be used: empty\n";
    assert_eq!(ran.stderr, expected);
}

#[test]
fn a_dot_env_that_cannot_be_read_is_an_error() {
    let home = Home::new();
    home.write(".env", "PORT 1\n");
    let ran = home.run(&["config"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("cannot read .env"), "{}", ran.stderr);
}

#[test]
fn every_setting_stands_in_the_documentation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
    let documentation = std::fs::read_to_string(path).unwrap();
    let ran = Home::new().run(&["config", "--json"]);
    let whole: Value = serde_json::from_str(&ran.stdout).unwrap();
    for name in whole["settings"].as_object().unwrap().keys() {
        assert!(documentation.contains(&format!("`{name}`")), "{name}");
    }
}
