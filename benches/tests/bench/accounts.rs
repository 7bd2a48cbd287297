//! Registries that demand a login: every request shows the token, and none is measured that does not.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use floundr_benches::compare::figures::Figures;
use floundr_benches::compare::rows::{self, Load, Row};
use floundr_benches::compare::{Comparison, Options, compare, file};
use floundr_benches::content::Source;
use floundr_benches::load::Target;
use floundr_benches::login::Login;
use floundr_benches::transport::{Protocol, Transport};

use crate::fake::{Fake, Manner, TOKEN};
use crate::transports::{self, BOTH, Offer};

const ACCOUNT: Manner = Manner {
    absolute: false,
    fault: None,
    scheme: None,
    account: true,
};

fn login(password: &str) -> Login {
    Login {
        user: "jo".into(),
        password: password.into(),
        token: TOKEN.into(),
    }
}

async fn measured(row: &Row, target: &Target, source: &mut Source) -> Result<Figures> {
    let ready = row.load.prepare(target, source).await?;
    ready.run(target, source).await
}

async fn fake(protocol: Protocol) -> (Fake, Target) {
    if protocol != Protocol::Plain {
        return transports::fake(ACCOUNT, Offer::of(&BOTH), protocol).await;
    }
    let fake = Fake::start(ACCOUNT).await;
    let target = transports::target(&format!("http://{}", fake.address), Transport::Plain);
    (fake, target)
}

#[tokio::test]
async fn every_row_is_measured_with_a_token_and_none_without() {
    let asks = |row: &Row| !matches!(row.load, Load::Idle(idle) if idle.connections == 0);
    let rows = rows::rows(0.000_01, &[]).unwrap();
    let mut source = Source::new().unwrap();
    for row in rows.into_iter().filter(asks) {
        let (fake, mut target) = fake(row.protocol).await;
        let error = measured(&row, &target, &mut source).await.unwrap_err();
        assert!(
            format!("{error:#}").contains("401"),
            "{}: {error:#}",
            row.id
        );
        let refused = fake.seen.lock().unwrap().unauthorized;
        assert!(refused > 0, "{}", row.id);

        let login = login("swordfish");
        let asking = login.authorization(&target.endpoint, &target.transport);
        target.authorization = Some(asking.await.unwrap());
        match measured(&row, &target, &mut source).await {
            Ok(_) => (),
            Err(error) => {
                let text = format!("{error:#}");
                let is_missing = text.contains("cannot be started: is it installed?");
                assert!(
                    is_missing && matches!(row.load, Load::Wrk(_)),
                    "{}: {text}",
                    row.id
                );
            }
        }
        assert_eq!(
            fake.seen.lock().unwrap().unauthorized,
            refused,
            "{}",
            row.id
        );
    }
}

#[tokio::test]
async fn a_run_of_wrk_that_is_refused_has_no_figures() {
    let (_fake, target) = fake(Protocol::Plain).await;
    let row = rows::rows(0.001, &["wrk-get".to_owned()])
        .unwrap()
        .remove(0);
    let Load::Wrk(load) = row.load else {
        panic!("{row:?}");
    };
    let text = format!("{:#}", load.run(&target).await.unwrap_err());
    let is_missing = text.contains("cannot be started: is it installed?");
    assert!(is_missing || text.contains("it saw errors"), "{text}");
}

/// Compares one registry without an account, one with one, and that with a wrong password.
async fn compared() -> Comparison {
    let (open, closed) = (
        Fake::start(Manner::default()).await,
        Fake::start(ACCOUNT).await,
    );
    let dir = tempfile::tempdir().unwrap();
    // What is started only sleeps: what answers is in this process.
    let contender = |name: &str, fake: &Fake, login: &str| {
        let ready = format!("http://{}/ready", fake.address);
        format!(
            "[[registry]]\nname = '{name}'\ncommand = ['sleep', '600']\nready = '{ready}'\n{login}"
        )
    };
    let login =
        format!("[registry.login]\nuser = 'jo'\npassword = 'swordfish'\ntoken = '{TOKEN}'\n");
    let text = [
        contender("open", &open, ""),
        contender("closed", &closed, &login),
        contender("wrong", &closed, &login.replace("swordfish", "swortfish")),
        contender("nobody", &closed, ""),
    ];
    let list = dir.path().join("registries.toml");
    fs::write(&list, text.concat()).unwrap();
    let options = Options {
        rounds: 1,
        dir: dir.path().to_owned(),
        limit: Duration::from_secs(30),
        scale: 0.001,
    };
    let rows = ["raw-head", "push-small", "push-sha512"].map(str::to_owned);
    let rows = rows::rows(0.000_01, &rows).unwrap();
    let contenders = file::read(&list, &[]).unwrap();
    compare(contenders, rows, &options).await.unwrap()
}

#[tokio::test]
async fn a_comparison_logs_in_where_it_is_told_to_and_shows_no_password() {
    let comparison = compared().await;
    let of = |registry: &str| {
        let mine = comparison.measurements.iter();
        let mine = mine.filter(|one| one.registry == registry);
        mine.map(|one| match &one.result {
            Ok(_) => "measured".to_owned(),
            Err(failure) => failure.to_string(),
        })
        .collect::<Vec<_>>()
    };
    for registry in ["open", "closed"] {
        assert_eq!(of(registry), ["measured"; 3], "{registry}");
    }
    let wrong = "failed: logging in: user \"jo\" or the password is refused: 401 Unauthorized \
                 (its log is empty)";
    assert_eq!(of("wrong"), [wrong; 3]);
    let nobody = of("nobody");
    assert_eq!(nobody.len(), 3);
    let failed = |text: &String| text.starts_with("failed: ") && text.contains("401");
    assert!(nobody.iter().all(failed), "{nobody:?}");
    assert_eq!(comparison.failures(), 6);
    let shown = [comparison.markdown(), comparison.csv()].concat();
    for secret in ["swordfish", "swortfish", "to.ken"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
