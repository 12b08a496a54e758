//! `demo`: a day at a branch, played on the real product.
//!
//! Receives the shipped script and a directory; opens a fresh branch there, serves it on loopback and
//! lets real replicas in files of their own meet it over HTTP. Hands on a table of what each device did
//! and the proof that all hold the same. Forbidden here: ids of definitions (they are in the script) and
//! ways into the hub or a replica that a real device or operator does not have, but for the proof.

mod audience;
pub(crate) mod child;
mod desk;
mod device;
mod play;
mod proof;
mod script;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use xunyuan_core::definition::{embedded, sample_organisation};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::UserId;

use crate::app::{App, Console};
use crate::clock::Clock;
use crate::command::entropy;
use crate::command::output::{Exit, Lang, Report};
use crate::config::{LimitConfig, SecondFactorPolicy};
use crate::door::Door;
use crate::hub::{Hub, HubOptions};
use crate::serve;
use audience::Audience;
use device::Device;
use play::Names;
use script::{Act, Day, Lane, Person};

/// How long an invitation of the demonstration is good.
const INVITATION_MS: i64 = 3_600_000;

/// Arguments of `demo`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// 存放演示数据的空目录,默认为临时目录 · Empty directory for the data, by default a temporary one
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// 演完即退出;各条规律都成立才返回 0 · End after the play; exit code 0 only if every law held
    #[arg(long)]
    once: bool,
    /// 监听端口,默认任选空闲端口 · Port to listen on, by default a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// 每个动作后的停顿毫秒数 · Pause after each action, milliseconds [default: 25 on a terminal, else 0]
    #[arg(long, value_name = "MS")]
    pace_ms: Option<u64>,
}

/// Plays the day; without `--once` serves on until a signal.
pub(crate) fn run(arguments: &Arguments, lang: Lang, json: bool) -> Result<Report, Error> {
    let began = Instant::now();
    let day = Day::shipped()?;
    let audience = Audience::new(lang, json, arguments.pace_ms.map(Duration::from_millis));
    let place = Place::of(arguments.dir.as_deref())?;
    let clock = Clock::from_variable(Some(&day.clock))?;
    let hub = Hub::open(&place.path.join("branch"), &HubOptions::new(entropy()?))?;
    let mut definitions = embedded().to_vec();
    definitions.push(sample_organisation().clone());
    hub.publish(&definitions, clock.now_ms())?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|e| {
            Error::new(ErrorKind::Storage, "无法启动线程", "threads cannot be started").caused_by(e)
        })?;
    let served = runtime.block_on(Served::start(&hub, &clock, arguments.port))?;
    audience.opening(&served.url, &place.path);
    let stage = Stage { hub: &hub, clock: &clock, day: &day, audience: &audience, names: Names::default() };
    let outcome = stage.play(&served.url, &place.path);
    audience.settle();
    let report = match outcome {
        Ok((devices, crashes, clashes)) => {
            let proof = proof::check(&hub, devices, &crashes, clashes);
            drop(stage);
            proof.map(|proof| proof.report(lang, &served.url, began.elapsed()))
        }
        Err(error) => Err(error),
    };
    if let (Ok(report), false) = (&report, arguments.once) {
        let desk = desk::open(&hub, &clock, &served.url, &day.console)?;
        let mut report = report.clone();
        report.json["console"] = serde_json::json!({"users": desk.users, "password": desk.password});
        report.write(json).map_err(|e| {
            Error::new(ErrorKind::Storage, "无法输出结果", "the result cannot be written").caused_by(e)
        })?;
        audience.serving(&served.url, &desk);
        runtime.block_on(async {
            serve::signalled()?.await;
            Ok::<(), Error>(())
        })?;
    }
    let stopped = runtime.block_on(served.stop());
    let closed = hub.close();
    let mut report = report?;
    stopped?;
    closed?;
    if !arguments.once {
        // It has been shown already.
        report = Report { text: String::new(), json: serde_json::json!({"stopped": true}), ..report };
    }
    Ok(report)
}

/// Where the data of a demonstration lies; a temporary place is removed at the end.
struct Place {
    path: PathBuf,
    is_temporary: bool,
}

impl Place {
    fn of(dir: Option<&Path>) -> Result<Self, Error> {
        let path = match dir {
            Some(dir) => dir.to_owned(),
            None => std::env::temp_dir().join(format!("xunyuan-demo-{}", std::process::id())),
        };
        let failed = |e: std::io::Error| {
            Error::new(
                ErrorKind::Storage,
                format!("无法使用目录 {}", path.display()),
                format!("the directory {} cannot be used", path.display()),
            )
            .caused_by(e)
        };
        std::fs::create_dir_all(&path).map_err(failed)?;
        if std::fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("目录 {} 不是空的;演示需要一个空目录", path.display()),
                format!(
                    "the directory {} is not empty; the demonstration needs an empty one",
                    path.display()
                ),
            ));
        }
        Ok(Self { path, is_temporary: dir.is_none() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_temporary {
            // Nothing is lost when a temporary directory stays behind.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// The real server, in this process.
struct Served {
    url: String,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Served {
    async fn start(hub: &Hub, clock: &Clock, port: u16) -> Result<Self, Error> {
        let failed = |e: std::io::Error| {
            Error::new(
                ErrorKind::Storage,
                format!("无法监听端口 {port}"),
                format!("port {port} cannot be listened on"),
            )
            .caused_by(e)
        };
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let limits = LimitConfig { stop_grace_s: 3, ..LimitConfig::default() };
        let second_factor = SecondFactorPolicy::Optional;
        let console = Console { url: url.clone(), secure: false, second_factor, names_key: true };
        let (app, switch) = App::new(hub.clone(), clock.clone(), limits, console);
        let door = Door::new(listener, None, &app.limits, &app.metrics)?;
        let (stop, told) = oneshot::channel::<()>();
        let until = async move {
            // A dropped sender means the same as a message.
            let _ = told.await;
        };
        Ok(Self { url, stop, task: tokio::spawn(serve::serve(door, app, switch, until)) })
    }

    async fn stop(self) -> Result<(), Error> {
        drop(self.stop);
        self.task.await.map_err(|e| {
            Error::new(ErrorKind::Storage, "服务异常结束", "the server ended badly").caused_by(e)
        })?
    }
}

/// A device with what the script calls it.
pub(crate) struct Player {
    person: Person,
    device: Device,
}

/// Everything the acts need.
struct Stage<'a> {
    hub: &'a Hub,
    clock: &'a Clock,
    day: &'a Day,
    audience: &'a Audience,
    names: Names,
}

/// Rounds in which devices follow what the branch still writes at the end of the day.
const REST_ROUNDS_MAX: u32 = 10;

type Played = (Vec<Player>, Vec<child::Crash>, proof::Clashes);

impl Stage<'_> {
    fn play(&self, url: &str, dir: &Path) -> Result<Played, Error> {
        let mut players = self.enrol(url, dir)?;
        let mut crashes = Vec::new();
        let mut clashes = proof::Clashes::default();
        for act in &self.day.acts {
            self.audience.act(&act.title, &act.tell);
            if let Some(expected) = &act.expect_conflicts {
                let player = find(&mut players, &expected.device)?;
                player.device.sync()?;
                clashes.expected += expected.at_least;
                clashes.found += player.device.replica().conflicts()?.len();
            }
            if let Some(killed) = &act.killed {
                let device = &mut find(&mut players, &killed.device)?.device;
                let crash = child::crash(device, killed, &self.names, self.clock, self.day.utc_offset_min)?;
                self.audience.crashed(&crash);
                crashes.push(crash);
            }
            self.together(act, &mut players)?;
            for lane in &act.order {
                let player = find(&mut players, &lane.device)?;
                self.lane(lane, player)?;
            }
            self.clock.skip(act.minutes * 60_000);
        }
        self.come_to_rest(&mut players)?;
        Ok((players, crashes, clashes))
    }

    /// Everyone fetches what the branch wrote meanwhile: it looks after duties by itself while the day is played.
    fn come_to_rest(&self, players: &mut [Player]) -> Result<(), Error> {
        for _ in 0..REST_ROUNDS_MAX {
            let before = self.hub.standings()?;
            for player in &mut *players {
                player.device.sync()?;
            }
            if self.hub.standings()? == before {
                break;
            }
        }
        Ok(())
    }

    fn enrol(&self, url: &str, dir: &Path) -> Result<Vec<Player>, Error> {
        let bar = self.audience.bar(self.audience.enrolment(), self.day.people.len());
        let mut players = Vec::new();
        for person in &self.day.people {
            let user = UserId::new(person.user.clone());
            let invitation = self.hub.invite(&user, INVITATION_MS, self.clock.now_ms(), entropy()?)?;
            let link = invitation.link(url, None);
            let path = dir.join(format!("{}.sqlite3", person.key));
            let device = Device::enrolled(&link, &path, self.clock.clone(), self.day.utc_offset_min)?;
            players.push(Player { person: person.clone(), device });
            bar.inc(1);
        }
        bar.finish();
        Ok(players)
    }

    /// Runs the lanes of an act at the same time, one thread per device.
    fn together(&self, act: &Act, players: &mut [Player]) -> Result<(), Error> {
        let outcomes: Vec<Result<(), Error>> = std::thread::scope(|scope| {
            let mut running = Vec::new();
            for player in players.iter_mut() {
                if let Some(lane) = act.lanes.iter().find(|lane| lane.device == player.person.key) {
                    running.push(scope.spawn(move || self.lane(lane, player)));
                }
            }
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(died()))).collect()
        });
        outcomes.into_iter().collect()
    }

    fn lane(&self, lane: &Lane, player: &mut Player) -> Result<(), Error> {
        let steps = script::actions(&lane.steps);
        let bar = self.audience.bar(player.person.title.of(self.audience.lang()), steps.len());
        for step in &steps {
            play::perform(&mut player.device, step, &self.names)?;
            bar.inc(1);
            self.audience.pause();
        }
        bar.finish();
        Ok(())
    }
}

fn find<'p>(players: &'p mut [Player], key: &str) -> Result<&'p mut Player, Error> {
    players.iter_mut().find(|player| player.person.key == key).ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "演示脚本提到了未知设备", "the script names an unknown device")
    })
}

fn died() -> Error {
    Error::new(ErrorKind::Storage, "演示线程异常结束", "a thread of the demonstration ended badly")
}

/// The exit code of a play.
const fn exit_of(held: bool) -> Exit {
    if held { Exit::Done } else { Exit::Store }
}
