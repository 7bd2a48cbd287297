//! A whole comparison, of a program that is no registry: what is measured beside it, and what is shown of it.

use std::fs;
use std::time::Duration;

use floundr_benches::compare::limits::{LIMITS, MACHINE};
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
        text.contains("\nFailed: broken, push-1: ended before it was ready"),
        "{text}"
    );
    let csv = comparison.csv();
    let of_machine = csv.lines().filter(|line| line.contains(MACHINE));
    assert_eq!((of_machine.count(), csv.lines().count()), (6, 9), "{csv}");
    assert!(comparison.chart("t", "n").contains(">t</text>"));
}
