//! Every row with its sizes: the standing comparison.

use std::time::Duration;

use crate::compare::rows::{Load, Rate, Row};
use crate::content::Algorithm;
use crate::load::idle::Idle;
use crate::load::manifest_read::{ManifestRead, Verb};
use crate::load::mixed::Mixed;
use crate::load::pull::Pull;
use crate::load::pull_range::PullRange;
use crate::load::push::Push;
use crate::load::raw::Raw;
use crate::load::small_push::{SmallPush, Until};
use crate::load::wrk::Wrk;
use crate::registry::Mode;
use crate::transport::Protocol;
use crate::units::{GIB, KIB, MIB, scaled};

/// All rows, sizes, counts and times multiplied by `scale`.
pub(super) fn all(scale: f64) -> Vec<Row> {
    let mut rows = push_rows(scale);
    rows.extend(pull_rows(scale));
    rows.extend(transport_rows(scale));
    rows.extend(operation_rows(scale));
    rows.extend(manifest_rows(scale));
    rows.extend(memory_rows(scale));
    rows
}

fn row(id: &'static str, title: &'static str, rate: Rate, load: Load) -> Row {
    Row {
        id,
        title,
        load,
        rate,
        protocol: Protocol::Plain,
        on_demand: false,
    }
}

fn push_rows(scale: f64) -> Vec<Row> {
    let size = |bytes| scaled(bytes, scale, KIB);
    let one = Push {
        size: size(GIB),
        streams: 1,
        mode: Mode::Monolithic,
        algorithm: Algorithm::Sha256,
    };
    let four = Push {
        size: size(256 * MIB),
        streams: 4,
        ..one
    };
    let chunked = Push {
        size: size(512 * MIB),
        mode: Mode::Chunked(size(16 * MIB)),
        ..one
    };
    let streamed = Push {
        mode: Mode::Streamed,
        ..chunked
    };
    let sha512 = Push {
        algorithm: Algorithm::Sha512,
        ..one
    };
    let row = |id, title, push| row(id, title, Rate::Megabytes, Load::Push(push));
    vec![
        row("push-1", "push 1 x 1 GiB, MB/s", one),
        row("push-4", "push 4 x 256 MiB, MB/s", four),
        row(
            "push-chunked",
            "chunked push 512 MiB in 16 MiB, MB/s",
            chunked,
        ),
        row(
            "push-streamed",
            "streamed push 512 MiB in one PATCH, MB/s",
            streamed,
        ),
        row("push-sha512", "push 1 x 1 GiB by SHA-512, MB/s", sha512),
    ]
}

fn pull_rows(scale: f64) -> Vec<Row> {
    let size = scaled(GIB, scale, KIB);
    let pull = |streams| Load::Pull(Pull { size, streams });
    let range = PullRange {
        size,
        range: MIB,
        clients: 8,
        count: scaled(4096, scale, 100),
    };
    let row = |id, title, load| row(id, title, Rate::Megabytes, load);
    vec![
        row("pull-1", "pull 1 x 1 GiB, MB/s", pull(1)),
        row("pull-8", "pull 8 x 1 GiB, MB/s", pull(8)),
        row(
            "pull-range",
            "pull of 1 MiB ranges of 1 GiB, 8 clients, MB/s",
            Load::PullRange(range),
        ),
    ]
}

/// One large push and pull, as with plain HTTP/1.1, over the other protocols.
fn transport_rows(scale: f64) -> Vec<Row> {
    let size = scaled(GIB, scale, KIB);
    let push = Load::Push(Push {
        size,
        streams: 1,
        mode: Mode::Monolithic,
        algorithm: Algorithm::Sha256,
    });
    let pull = Load::Pull(Pull { size, streams: 1 });
    let row = |id, title, load, protocol| Row {
        protocol,
        ..row(id, title, Rate::Megabytes, load)
    };
    let (tls, http2) = (Protocol::Tls, Protocol::Http2);
    vec![
        row("push-1-tls", "push 1 x 1 GiB, TLS, MB/s", push, tls),
        row(
            "push-1-h2",
            "push 1 x 1 GiB, TLS and HTTP/2, MB/s",
            push,
            http2,
        ),
        row("pull-1-tls", "pull 1 x 1 GiB, TLS, MB/s", pull, tls),
        row(
            "pull-1-h2",
            "pull 1 x 1 GiB, TLS and HTTP/2, MB/s",
            pull,
            http2,
        ),
    ]
}

fn operation_rows(scale: f64) -> Vec<Row> {
    let clients = 32;
    let small = SmallPush {
        size: 10 * KIB,
        clients,
        until: Until::Count(scaled(4096, scale, clients)),
    };
    let mixed = Mixed {
        count: scaled(8000, scale, 100),
        clients: 16,
        largest: scaled(128 * MIB, scale, 64 * KIB),
    };
    let row = |id, title, load| row(id, title, Rate::Operations, load);
    vec![
        row(
            "push-small",
            "push of 10 KiB blobs, 32 clients, /s",
            Load::SmallPush(small),
        ),
        row(
            "mixed",
            "mixed, 95 % reads, up to 128 MiB, 16 clients, /s",
            Load::Mixed(mixed),
        ),
    ]
}

fn manifest_rows(scale: f64) -> Vec<Row> {
    let time = time(5, scale);
    let read = |verb| {
        Load::ManifestRead(ManifestRead {
            clients: 32,
            time,
            verb,
        })
    };
    let wrk = Wrk {
        time: time.max(Duration::from_secs(1)),
    };
    let head = Raw {
        clients: 64,
        time: wrk.time,
        verb: Verb::Head,
    };
    let row = |id, title, load| row(id, title, Rate::Operations, load);
    vec![
        row(
            "get-manifest",
            "GET manifest, 32 clients, /s",
            read(Verb::Get),
        ),
        row(
            "head-manifest",
            "HEAD manifest, 32 clients, /s",
            read(Verb::Head),
        ),
        row(
            "wrk-get",
            "GET manifest, wrk with 1 thread and 64 connections, /s",
            Load::Wrk(wrk),
        ),
        row(
            "raw-head",
            "HEAD manifest, raw client of 1 thread and 64 connections (wrk has no HEAD), /s",
            Load::Raw(head),
        ),
    ]
}

fn time(seconds: u64, scale: f64) -> Duration {
    let time = Duration::from_secs(seconds).mul_f64(scale);
    time.max(Duration::from_millis(200))
}

fn memory_rows(scale: f64) -> Vec<Row> {
    let time = time(2, scale);
    let idle = |connections| Load::Idle(Idle { connections, time });
    let pushes = Push {
        size: scaled(256 * MIB, scale, KIB),
        streams: 64,
        mode: Mode::Monolithic,
        algorithm: Algorithm::Sha256,
    };
    let row = |id, title, load| row(id, title, Rate::Memory, load);
    vec![
        row("memory-idle", "anonymous memory when idle, MiB", idle(0)),
        row(
            "memory-1000",
            "anonymous memory with 1,000 idle connections, MiB",
            idle(1000),
        ),
        Row {
            on_demand: true, // 16 GiB of disk
            ..row(
                "memory-64",
                "anonymous memory with 64 pushes of 256 MiB at once, MiB",
                Load::Push(pushes),
            )
        },
    ]
}
