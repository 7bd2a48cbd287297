//! A whole comparison, of a program that is no registry: what is measured beside it, and what is shown of it.

use std::fs;
use std::time::Duration;

use floundr_benches::compare::limits::{LIMITS, MACHINE};
use floundr_benches::compare::lines::Missing;
use floundr_benches::compare::report::{Failure, Measurement};
use floundr_benches::compare::{self, Comparison, Options, file, rows};

async fn compared() -> Comparison {
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("registries.toml");
    let text = "[[registry]]\nname = 'broken'\ncommand = ['sh', '-c', 'exit 3']\n\
                ready = 'http://127.0.0.1:{port}/'\n";
    fs::write(&list, text).unwrap();
    let contenders = file::read(&list, &[]).unwrap();
    let rows = rows::rows(0.001, &["push-1".to_owned()]).unwrap();
    let options = Options {
        rounds: 2,
        dir: dir.path().to_owned(),
        limit: Duration::from_secs(30),
        scale: 0.001,
    };
    compare::compare(contenders, rows, &options).await.unwrap()
}

#[tokio::test]
async fn every_round_measures_the_limits_and_a_failure_ends_nothing() {
    let comparison = compared().await;
    let rows: Vec<_> = comparison.measurements.iter().map(|one| one.row).collect();
    let [sha256, sha512, write] = LIMITS.map(|limit| limit.id);
    let round = [sha256, sha512, write, "push-1"];
    assert_eq!(rows, [round, round].concat());
    assert_eq!(comparison.failures(), 2);
    let text = comparison.markdown();
    assert!(text.contains("| push 1 x 1 GiB, MB/s "), "{text}");
    assert!(text.contains("| SHA-256 on one core, MB/s "), "{text}");
    assert!(
        text.contains("\nbroken, push-1, failed: ended before it was ready"),
        "{text}"
    );
    let csv = comparison.csv();
    let of_machine = csv.lines().filter(|line| line.contains(MACHINE));
    assert_eq!((of_machine.count(), csv.lines().count()), (6, 9), "{csv}");
    assert!(comparison.chart("t", "n").contains(">t</text>"));
}

#[test]
fn a_refused_row_is_shown_as_refused_and_is_no_failure() {
    let refused = Measurement {
        row: "push-sha512",
        registry: "a".into(),
        round: 1,
        result: Err(Failure {
            missing: Missing::Refused,
            error: "status is 400".into(),
        }),
    };
    let comparison = Comparison {
        rows: rows::rows(1.0, &["push-sha512".to_owned()]).unwrap(),
        registries: vec!["a".into()],
        limits: Vec::new(),
        left_out: Vec::new(),
        measurements: vec![refused],
    };
    assert_eq!(comparison.failures(), 0);
    let text = comparison.markdown();
    assert!(text.contains(" refused |"), "{text}");
    assert!(
        text.contains("\na, push-sha512, refused: status is 400\n"),
        "{text}"
    );
    let csv = comparison.csv();
    assert!(csv.ends_with(",refused: status is 400\n"), "{csv}");
}
