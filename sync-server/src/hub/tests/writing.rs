//! The writer: group commit, savepoints, overload, a full disk.

use super::*;
use crate::hub::writer::{Job, Writer};
use crate::hub::{ExchangeFailure, HubOptions};
use std::sync::mpsc::{Receiver, Sender, channel};
use xunyuan_core::error::{Error, ErrorKind};

/// A job that says it runs and then waits to be let go.
fn holding() -> (Job, Receiver<()>, Sender<()>) {
    let (runs, running) = channel();
    let (go, gone) = channel::<()>();
    let job: Job = Box::new(move |_| {
        runs.send(()).unwrap();
        gone.recv().unwrap();
        (true, Box::new(|_| ()))
    });
    (job, running, go)
}

/// Whether a job worked, and whether its commit did.
type Ended = (bool, Result<(), Error>);

/// A job, and how it ended.
fn job(work: impl FnOnce(&mut Writer) -> Result<(), Error> + Send + 'static) -> (Job, Receiver<Ended>) {
    let (reply, answer) = channel();
    let job: Job = Box::new(move |writer| {
        let worked = writer.and_then(work).is_ok();
        (worked, Box::new(move |committed| reply.send((worked, committed)).unwrap()))
    });
    (job, answer)
}

fn count_up(key: &'static str) -> impl FnOnce(&mut Writer) -> Result<(), Error> + Send + 'static {
    move |writer| crate::hub::store::server::count_up(&writer.conn, key).map(|_| ())
}

#[test]
fn jobs_that_wait_together_share_one_commit_and_a_bad_one_undoes_only_itself() {
    let (_dir, hub) = branch();
    let jobs = hub.jobs().unwrap();
    let (first, running, go) = holding();
    jobs.send(first).unwrap();
    running.recv().unwrap();
    let before = hub.stats().unwrap();
    let mut answers = Vec::new();
    for number in 0..8 {
        let (one, answer) = match number {
            3 => job(|writer| {
                count_up("series")(writer)?;
                Err(Error::new(ErrorKind::Storage, "失败", "failed"))
            }),
            5 => job(|writer| {
                count_up("series")(writer)?;
                panic!("a fault in a job")
            }),
            _ => job(count_up("series")),
        };
        jobs.send(one).unwrap();
        answers.push(answer);
    }
    go.send(()).unwrap();
    let ended: Vec<_> = answers.iter().map(|answer| answer.recv().ok().map(|(worked, _)| worked)).collect();
    let good = Some(true);
    assert_eq!(ended, [good, good, good, Some(false), good, None, good, good]);
    let after = hub.stats().unwrap();
    assert_eq!((after.commits - before.commits, after.writes - before.writes), (1, 9));
    let next = hub.write(|writer| crate::hub::store::server::count_up(&writer.conn, "series")).unwrap();
    assert_eq!(next, 7, "six of eight counted");
}

#[test]
fn a_full_queue_is_overload() {
    let dir = dir();
    let hub =
        Hub::open(&dir.0, &HubOptions { queue_max: 1, group_max: 1, ..HubOptions::new([1; 32]) }).unwrap();
    hub.publish(&everything(), NINE).unwrap();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    one.open_sheet(&hub, 9);
    let body = frame::encode(&one.request());
    let jobs = hub.jobs().unwrap();
    let (first, running, go) = holding();
    jobs.send(first).unwrap();
    running.recv().unwrap();
    let (second, answer) = job(|_| Ok(()));
    jobs.send(second).unwrap();
    assert!(matches!(hub.exchange(&one.device, &body, NINE), Err(ExchangeFailure::Overloaded)));
    go.send(()).unwrap();
    assert!(matches!(answer.recv().unwrap(), (true, Ok(()))));
    one.sync_all(&hub);
}

#[test]
fn little_memory_serves_many_devices_at_once() {
    let dir = dir();
    let options = HubOptions { documents_max: 2, ahead_max: 1, ..HubOptions::new([1; 32]) };
    let hub = Hub::open(&dir.0, &options).unwrap();
    hub.publish(&everything(), NINE).unwrap();
    let mut phones: Vec<Phone> = (1..7).map(|number| Phone::enroll(&hub, "u.pt01", number)).collect();
    for (number, phone) in (0_u8..).zip(&mut phones) {
        for sheet in 0..5 {
            phone.open_sheet(&hub, 100 + number * 5 + sheet);
        }
    }
    let before = hub.stats().unwrap();
    let hub = &hub;
    std::thread::scope(|scope| {
        for phone in &mut phones {
            scope.spawn(move || phone.sync_all(hub));
        }
    });
    phones.iter_mut().for_each(|phone| phone.sync_all(hub));
    let stats = hub.stats().unwrap();
    assert_eq!((stats.documents, stats.documents_in_memory), (30, 2));
    assert!(stats.commits - before.commits <= 6 && stats.fsyncs > before.fsyncs, "{stats:?}");
    assert!(phones.windows(2).all(|two| two[0].standing == two[1].standing));
}

#[test]
fn a_full_disk_fails_the_exchange_and_leaves_the_file_good() {
    let (_dir, hub) = branch();
    let mut one = Phone::enroll(&hub, "u.pt01", 1);
    let sheet = one.open_sheet(&hub, 9);
    one.sync_all(&hub);
    let limit = |pages: i64| {
        hub.write(move |writer| {
            let now: i64 = writer.conn.pragma_query_value(None, "page_count", |row| row.get(0))?;
            writer.conn.pragma_update(None, "max_page_count", now + pages).map_err(Error::from)
        })
        .unwrap();
    };
    limit(0);
    let text = Value::Text("很长的备注".repeat(1_500));
    for _ in 0..8 {
        let note = one.put("note/pp.green.01", text.clone());
        one.edit(sheet, &[note]);
    }
    let body = frame::encode(&one.request());
    match hub.exchange(&one.device, &body, NINE) {
        Err(ExchangeFailure::Internal(error)) => assert_eq!(error.kind(), ErrorKind::Full),
        other => panic!("not refused by the disk: {other:?}"),
    }
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
    limit(100_000);
    one.sync_all(&hub);
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
}

#[test]
fn many_exchanges_at_once_share_commits() {
    let (_dir, hub) = branch();
    let phones: Vec<Phone> = (1..=8)
        .map(|number| {
            let mut phone = Phone::enroll(&hub, if number % 2 == 0 { "u.pt01" } else { "u.pt02" }, number);
            phone.open_sheet(&hub, number);
            phone
        })
        .collect();
    std::thread::scope(|threads| {
        for mut phone in phones {
            let hub = hub.clone();
            threads.spawn(move || {
                let sheet = *phone.documents.keys().next().unwrap();
                for round in 0..10 {
                    phone.answer(sheet, "pp.green.01", if round % 2 == 0 { "pass" } else { "fail" });
                    phone.sync_all(&hub);
                }
            });
        }
    });
    let stats = hub.stats().unwrap();
    assert_eq!(stats.documents, 8);
    assert!(stats.commits <= stats.writes, "{stats:?}");
    assert_eq!(hub.verify(|_| ()).unwrap().first_bad, None);
}
