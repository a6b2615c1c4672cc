//! A store that is killed while 32 writers write: each acknowledged write is there, none is half there.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use karmada_storage::{EmbeddedOptions, EmbeddedStore, RangeOptions, Store};

const FOLDER: &str = "KARMADA_STORE_CRASH_FOLDER";

fn options() -> EmbeddedOptions {
    // Compaction is part of what may be interrupted.
    EmbeddedOptions { history_revisions: 500, ..Default::default() }
}

/// The process that is killed; a test only in name.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async move {
        let store = Arc::new(EmbeddedStore::open(folder, options()).unwrap());
        let writers: Vec<_> = (0..32)
            .map(|writer| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let key = format!("/r/{writer}");
                    let current = store.get(&key).await.unwrap().kv;
                    let mut count: u64 = current.as_ref().map_or(0, |kv| parse(&kv.value));
                    let mut revision = current.map(|kv| kv.mod_revision);
                    loop {
                        count += 1;
                        let value = format!("{count}:{}", "x".repeat(count as usize % 3_000)).into();
                        let written = match revision {
                            None => store.create(&key, value).await.unwrap(),
                            Some(revision) => store.update(&key, value, revision).await.unwrap(),
                        };
                        revision = Some(written);
                        // One write per line: lines of different writers must not mix.
                        let line = format!("{writer} {count} {written}\n");
                        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        // None of them ends; the process is killed.
        futures::future::join_all(writers).await;
    });
}

/// The count in a value, whose tail must have the length that goes with it.
fn parse(value: &[u8]) -> u64 {
    let text = std::str::from_utf8(value).unwrap();
    let (count, tail) = text.split_once(':').unwrap();
    let count: u64 = count.parse().unwrap();
    assert_eq!(tail.len(), count as usize % 3_000);
    count
}

fn run_and_kill(folder: &Path, time: Duration) -> Vec<(String, u64, u64)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut acknowledged = Vec::new();
        let mut reader = BufReader::new(stdout);
        loop {
            let mut line = String::new();
            // What is not ended by a line end was cut by the kill.
            if reader.read_line(&mut line).is_err() || !line.ends_with('\n') {
                break;
            }
            let fields: Vec<_> = line.trim_end().split(' ').collect();
            // The test harness prints lines of its own, and one without an end before the first of ours.
            if let [.., writer, count, revision] = fields[..]
                && let (Ok(_), Ok(count), Ok(revision)) = (writer.parse::<u8>(), count.parse(), revision.parse())
            {
                acknowledged.push((writer.to_owned(), count, revision));
            }
        }
        acknowledged
    });
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[tokio::test]
async fn killed_stores_keep_what_they_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut last: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut highest = 0;
    let mut total = 0;
    // More rounds for a longer soak: KARMADA_STORE_CRASH_ROUNDS=50.
    let rounds = std::env::var("KARMADA_STORE_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(8);
    for round in 0..rounds {
        let acknowledged = run_and_kill(folder.path(), Duration::from_millis(300 + 70 * (round % 8)));
        total += acknowledged.len();
        for (writer, count, revision) in acknowledged {
            assert!(revision > highest, "revision {revision} was used before");
            let (known, at) = last.entry(writer).or_insert((0, 0));
            // A write that was durable but not acknowledged before the kill may be in between.
            assert!(count > *known && revision > *at);
            (*known, *at) = (count, revision);
        }
        let store = EmbeddedStore::open(folder.path(), options()).unwrap();
        let current = store.current_revision().await.unwrap();
        assert!(last.values().all(|(_, at)| *at <= current) && current >= highest, "revisions go on");
        highest = current;
        let all = store.range("/r/", RangeOptions::default()).await.unwrap();
        let stored: BTreeMap<_, _> =
            all.kvs.iter().map(|kv| (kv.key.trim_start_matches("/r/").to_owned(), kv)).collect();
        for (writer, (count, revision)) in &last {
            let kv = stored.get(writer).unwrap_or_else(|| panic!("writer {writer} was acknowledged {count}"));
            // At most one write per writer was in flight when the process was killed.
            let found = parse(&kv.value);
            assert!(found == *count || found == *count + 1, "{writer}: {found} stored, {count} acknowledged");
            assert!(kv.mod_revision >= *revision && kv.mod_revision <= current);
        }
    }
    assert!(total > 500, "only {total} writes in all rounds");
}
