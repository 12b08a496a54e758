//! The simulated world: one branch, any number of devices, one clock, one seed.
//!
//! The hub and the replicas are the real ones, in temporary files; only clock and network are not.
//! Actions are done on a device with [`World::act`]; bytes travel by [`World::sync`] over a clear
//! network or by [`World::storm`] over a bad one. Nothing here knows what is in a message.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use xunyuan_core::definition::{Definition, embedded, sample_organisation};
use xunyuan_core::error::Error;
use xunyuan_core::id::{ScopeId, UserId};
use xunyuan_core::replica::{Enrollment, Failure, Progress, Replica};
use xunyuan_core::time::Moment;
use xunyuan_server::hub::{AuthFailure, ExchangeFailure, Hub, HubOptions};

use crate::disk::{self, Disk};
use crate::network::{Network, Parcel, Silence, Weather};
use crate::seed::Seed;

/// When every world begins: 2026-11-23T09:00:00+08:00, a Monday.
pub const MORNING_MS: i64 = 1_795_395_600_000;
/// One hour, milliseconds.
pub const HOUR_MS: i64 = 3_600_000;
/// One day, milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Most exchanges that a device may need until it is quiet, once faults stop (law 9).
pub const EXCHANGES_MAX: u32 = 200;

/// The branch's file inside its folder.
const BRANCH_FILE: &str = "branch.sqlite3";

/// One device with one person's replica.
#[derive(Debug)]
pub struct Device {
    /// The person.
    pub user: UserId,
    /// The replica file.
    pub path: PathBuf,
    /// How far its clock runs ahead of the world's, milliseconds.
    pub ahead_ms: i64,
    /// The disk that the file lies on.
    pub disk: Arc<Disk>,
    /// True when the phone is gone for good.
    pub is_lost: bool,
    replica: Option<Replica>,
    /// The request whose reply it awaits.
    pub(crate) waiting_for: Option<u64>,
    /// Exchanges that reached the branch, for what a run costs.
    pub exchanges: u32,
    /// Bytes it sent and received.
    pub bytes: (u64, u64),
}

/// A branch with devices.
pub struct World {
    /// Where everything random comes from.
    pub seed: Seed,
    /// The world's clock, milliseconds since 1970.
    pub now_ms: i64,
    /// The branch.
    pub hub: Hub,
    /// The devices, in the order of enrolment.
    pub devices: Vec<Device>,
    /// The network between them.
    pub network: Network,
    /// How far the branch's clock runs ahead of the world's, milliseconds.
    pub branch_ahead_ms: i64,
    /// True once the branch was put back: what it had refused since is known to the authors only.
    pub was_put_back: bool,
    /// The disk that the branch's file lies on.
    pub branch_disk: Arc<Disk>,
    branch: PathBuf,
    granted: BTreeMap<UserId, BTreeSet<ScopeId>>,
    dir: Folder,
}

impl World {
    /// A branch with the embedded definitions and the sample organisation, and no devices yet.
    ///
    /// # Panics
    /// When the branch cannot be opened.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self::with(seed, |_| true)
    }

    /// A branch with some of the embedded definitions and the sample organisation, and no devices yet.
    ///
    /// # Panics
    /// When the branch cannot be opened.
    #[must_use]
    pub fn with(mut seed: Seed, is_wanted: impl Fn(&Definition) -> bool) -> Self {
        let dir = Folder::fresh();
        let branch = dir.path().join("branch");
        let branch_disk = Disk::under(&branch);
        let hub = Hub::open(&branch, &options(&mut seed)).expect("the hub opens");
        let mut definitions: Vec<Definition> =
            embedded().iter().filter(|known| is_wanted(known)).cloned().collect();
        definitions.push(sample_organisation().clone());
        hub.publish(&definitions, MORNING_MS - DAY_MS).expect("the embedded set is published");
        Self {
            seed,
            now_ms: MORNING_MS,
            hub,
            devices: Vec::new(),
            network: Network::default(),
            branch_ahead_ms: 0,
            was_put_back: false,
            branch_disk,
            branch,
            granted: BTreeMap::new(),
            dir,
        }
    }

    /// Closes everything and keeps the files: many worlds can begin where this one ends.
    ///
    /// # Panics
    /// When the branch does not close.
    #[must_use]
    pub fn close(self) -> ClosedWorld {
        let Self { now_ms, hub, devices, branch, granted, dir, .. } = self;
        hub.close().expect("the branch closes");
        let devices = devices.into_iter().map(|device| (device.user, device.path)).collect();
        ClosedWorld { now_ms, branch: branch.join(BRANCH_FILE), devices, granted, _dir: dir }
    }

    /// Where the next device's file goes: each has a folder of its own, with a disk.
    fn place_for(&self, user: &UserId) -> PathBuf {
        let folder = self.dir.path().join(format!("{}-{}", self.devices.len(), user.as_str()));
        std::fs::create_dir(&folder).expect("a folder can be made");
        let _ = Disk::under(&folder);
        folder.join("replica.xunyuan")
    }

    fn add(&mut self, user: UserId, path: PathBuf, replica: Option<Replica>) -> usize {
        let disk = Disk::under(path.parent().expect("the file has a folder"));
        self.devices.push(Device {
            user,
            path,
            ahead_ms: 0,
            disk,
            is_lost: false,
            replica,
            waiting_for: None,
            exchanges: 0,
            bytes: (0, 0),
        });
        self.note_grants();
        self.devices.len() - 1
    }

    /// The devices that are not lost.
    #[must_use]
    pub fn live(&self) -> Vec<usize> {
        (0..self.devices.len()).filter(|device| !self.devices[*device].is_lost).collect()
    }

    /// The branch's clock.
    #[must_use]
    pub const fn branch_ms(&self) -> i64 {
        self.now_ms + self.branch_ahead_ms
    }

    /// Publishes definitions at the branch.
    ///
    /// # Panics
    /// When the branch refuses them.
    pub fn publish(&mut self, definitions: &[Definition]) {
        self.hub.publish(definitions, self.branch_ms()).expect("the branch publishes");
        self.note_grants();
    }

    /// Remembers what everyone may hold from now on.
    pub fn note_grants(&mut self) {
        let catalog = self.hub.catalog();
        for device in &self.devices {
            let known = self.granted.entry(device.user.clone()).or_default();
            known.extend(catalog.grants(&device.user));
        }
    }

    /// Every scope that a device's person was ever granted.
    #[must_use]
    pub fn ever_granted(&self, device: usize) -> &BTreeSet<ScopeId> {
        &self.granted[&self.devices[device].user]
    }

    /// A folder of this world for files of the test.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The branch is put back to a backup: what came after it is lost there.
    ///
    /// # Panics
    /// When the backup cannot be opened.
    pub fn restore(&mut self, backup: &Path) {
        let dir = self.dir.path().join(format!("branch-{}", self.seed.below(usize::MAX)));
        std::fs::create_dir(&dir).expect("a folder can be made");
        std::fs::copy(backup, dir.join(BRANCH_FILE)).expect("the backup can be copied");
        // One that died with its disk cannot end well.
        let _ = self.hub.close();
        self.branch_disk = Disk::under(&dir);
        self.branch = dir;
        self.was_put_back = true;
        self.open_branch();
    }

    /// The branch's process ends, something is done with its file, and it starts again.
    ///
    /// # Panics
    /// When the file does not open again.
    pub fn branch_closed(&mut self, work: impl FnOnce(&Path)) {
        let _ = self.hub.close();
        self.branch_disk.mend(&mut self.seed);
        work(&self.branch.join(BRANCH_FILE));
        self.open_branch();
    }

    fn open_branch(&mut self) {
        self.hub = Hub::open(&self.branch, &options(&mut self.seed)).expect("the branch opens again");
        self.note_grants();
    }

    /// Invites a person, enrols a device for them and carries the first exchange until it is quiet.
    ///
    /// # Panics
    /// When the branch or the device refuses.
    pub fn enroll(&mut self, user: &str) -> usize {
        let device = self.enroll_only(user);
        self.sync(device);
        device
    }

    /// Invites a person and enrols a device for them, without a first exchange.
    ///
    /// # Panics
    /// When the branch or the device refuses.
    pub fn enroll_only(&mut self, user: &str) -> usize {
        let user = UserId::new(user);
        let invitation = self
            .hub
            .invite(&user, HOUR_MS, self.branch_ms(), self.seed.bytes())
            .expect("the branch invites its people");
        let moment = self.moment_ahead(0);
        let link = format!("xunyuan://enroll?server=http://127.0.0.1:7070&code={}", invitation.secret);
        let enrollment = Enrollment::prepare(&link, "world/1", &moment).expect("the link is well formed");
        let reply = self
            .hub
            .enroll(&enrollment.request, self.branch_ms(), self.seed.bytes())
            .expect("the invitation is fresh");
        let path = self.place_for(&user);
        let replica = Replica::create(&path, &enrollment, &reply).expect("a new file becomes a replica");
        self.add(user, path, Some(replica))
    }

    /// Lets time go by.
    pub fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    /// What a device takes for an action now: its own clock and fresh randomness.
    pub fn moment(&mut self, device: usize) -> Moment {
        self.moment_ahead(self.devices[device].ahead_ms)
    }

    fn moment_ahead(&mut self, ahead_ms: i64) -> Moment {
        Moment { unix_ms: self.now_ms + ahead_ms, utc_offset_min: 480, entropy: self.seed.bytes() }
    }

    /// The replica of a device.
    ///
    /// # Panics
    /// When its file does not open.
    pub fn replica(&mut self, device: usize) -> &mut Replica {
        let Device { path, replica, .. } = &mut self.devices[device];
        replica.get_or_insert_with(|| Replica::open(path).expect("the replica opens"))
    }

    /// Does something on a device a second later, and says what came of it.
    ///
    /// # Errors
    /// What the replica says.
    pub fn attempt<T>(
        &mut self,
        device: usize,
        action: impl FnOnce(&mut Replica, &Moment) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.pass(1_000);
        let moment = self.moment(device);
        action(self.replica(device), &moment)
    }

    /// Does something on a device that must be possible.
    ///
    /// # Panics
    /// When the replica refuses.
    pub fn act<T>(
        &mut self,
        device: usize,
        action: impl FnOnce(&mut Replica, &Moment) -> Result<T, Error>,
    ) -> T {
        let user = self.devices[device].user.clone();
        self.attempt(device, action).unwrap_or_else(|error| panic!("{user} could not: {error}"))
    }

    /// Closes the replica of a device, does something with its file, and opens it again.
    ///
    /// # Panics
    /// When the file does not open again.
    pub fn closed<T>(&mut self, device: usize, work: impl FnOnce(&Path) -> T) -> T {
        let device = &mut self.devices[device];
        device.replica = None;
        device.waiting_for = None;
        if device.disk.mend(&mut self.seed) {
            // What lies in the journal belongs to the file: it is folded in before anybody copies it.
            drop(Replica::open(&device.path).expect("the replica opens again"));
        }
        let done = work(&device.path);
        device.replica = Some(Replica::open(&device.path).expect("the replica opens again"));
        done
    }

    /// Copies the replica file of a device to another one, as a phone is cloned or a backup restored: from
    /// now on both go on as the same device.
    ///
    /// # Panics
    /// When the file cannot be copied or the copy does not open.
    pub fn copy(&mut self, device: usize) -> usize {
        let user = self.devices[device].user.clone();
        let path = self.place_for(&user);
        self.closed(device, |file| std::fs::copy(file, &path)).expect("the file can be copied");
        let replica = Replica::open(&path).expect("the copy opens");
        let ahead_ms = self.devices[device].ahead_ms;
        let copy = self.add(user, path, Some(replica));
        self.devices[copy].ahead_ms = ahead_ms;
        copy
    }

    /// A device is lost for good, with everything that was only on it.
    pub fn lose(&mut self, device: usize) {
        let device = &mut self.devices[device];
        device.replica = None;
        device.waiting_for = None;
        device.is_lost = true;
    }

    /// The process of a device dies and starts again; what it had asked is forgotten.
    pub fn restart(&mut self, device: usize) {
        self.closed(device, |_| ());
    }

    /// One request and reply over a clear network; `None` when the device has nothing to ask.
    ///
    /// # Panics
    /// When the branch refuses the exchange or the device its reply.
    pub fn exchange(&mut self, device: usize) -> Option<Progress> {
        let body = self.request(device)?;
        let reply = self.deliver(device, &body).expect("the branch answers");
        let moment = self.moment(device);
        Some(self.replica(device).handle_reply(&reply, &moment).expect("the device takes the reply"))
    }

    /// Exchanges until the device has nothing more to ask, and says what all of it brought.
    ///
    /// # Panics
    /// When it takes more than [`EXCHANGES_MAX`] exchanges.
    pub fn sync(&mut self, device: usize) -> Vec<Progress> {
        self.replica(device).wake_now();
        let mut all = Vec::new();
        while let Some(progress) = self.exchange(device) {
            let more = progress.more;
            all.push(progress);
            assert!(
                all.len() <= EXCHANGES_MAX as usize,
                "law 9: device {device} does not come to rest: {:?}",
                all.last()
            );
            if !more {
                break;
            }
        }
        all
    }

    /// Every device exchanges until nobody has anything new: twice round, and again while anything moved.
    ///
    /// # Panics
    /// When that takes too many rounds (law 9).
    pub fn settle(&mut self) {
        for round in 0.. {
            assert!(round <= EXCHANGES_MAX, "the world does not come to rest");
            let mut moved = false;
            for device in self.live() {
                moved |= self.sync(device).iter().any(|p| p.acknowledged + p.received + p.repaired > 0);
            }
            if !moved {
                return;
            }
        }
    }

    /// The request that a device has to send now, coded.
    ///
    /// # Panics
    /// When the replica cannot read its store.
    pub fn request(&mut self, device: usize) -> Option<Vec<u8>> {
        let moment = self.moment(device);
        self.replica(device).poll_request(&moment).expect("the replica asks")
    }

    /// Brings a request to the branch and returns its reply.
    ///
    /// # Errors
    /// Why the branch refuses the exchange as a whole.
    ///
    /// # Panics
    /// When the device was never enrolled.
    pub fn deliver(&mut self, device: usize, body: &[u8]) -> Result<Vec<u8>, ExchangeFailure> {
        let token = self.replica(device).identity().token.clone();
        let caller = match self.hub.authenticate(&token) {
            Ok(caller) => caller,
            // It still reaches the exchange, to be told to erase what it holds.
            Err(AuthFailure::Revoked(caller)) => *caller,
            // As the shells do it: a branch that has forgotten the device takes it in again.
            Err(AuthFailure::Unknown) => {
                let request = self.replica(device).readmission().expect("the store can be read");
                let certificate = request.expect("the branch gave a certificate").certificate;
                let reply = self.hub.readmit(&token, &certificate).expect("the branch signed it");
                self.replica(device).readmitted(&reply).expect("the store can be written");
                self.hub.authenticate(&token).expect("the device is taken in again")
            }
            Err(failure) => panic!("the device is not known: {failure:?}"),
        };
        let reply = self.hub.exchange(&caller, body, self.branch_ms())?;
        let known = &mut self.devices[device];
        known.exchanges += 1;
        known.bytes.0 += body.len() as u64;
        known.bytes.1 += reply.len() as u64;
        Ok(reply)
    }

    /// Carries exchanges of all devices through bad weather, `steps` messages long, while `work` may do
    /// something on a random device between any two of them; then clears up what is on its way.
    ///
    /// # Panics
    /// When a device cannot take a reply of the branch.
    pub fn storm(&mut self, weather: Weather, steps: u32, mut work: impl FnMut(&mut Self, usize)) {
        self.network.weather = weather;
        for _ in 0..steps {
            let device = self.seed.below(self.devices.len());
            work(self, device);
            self.ask(device);
            self.pass(5_000);
            self.carry_until(self.now_ms);
        }
        self.network.weather = Weather::CLEAR;
        self.carry_until(i64::MAX);
    }

    /// Sends the request of a device, unless it waits for a reply already.
    fn ask(&mut self, device: usize) {
        if self.devices[device].waiting_for.is_some() {
            return;
        }
        self.replica(device).wake_now();
        if let Some(body) = self.request(device) {
            let ticket = self.network.send_request(&mut self.seed, self.now_ms, device, body);
            self.devices[device].waiting_for = Some(ticket);
        }
    }

    fn carry_until(&mut self, end_ms: i64) {
        while self.network.next_arrival_ms().is_some_and(|at_ms| at_ms <= end_ms) {
            let Some((at_ms, parcel)) = self.network.deliver() else { return };
            self.now_ms = self.now_ms.max(at_ms);
            match parcel {
                Parcel::Request { from, ticket, body, .. } => {
                    let reply = self.deliver(from, &body).map_err(|_| Silence::Refused);
                    if let Some(ticket) = ticket {
                        self.network.send_reply(&mut self.seed, self.now_ms, from, ticket, reply);
                    }
                }
                Parcel::Reply { to, ticket, body, .. } => self.receive(to, ticket, body),
            }
        }
    }

    fn receive(&mut self, device: usize, ticket: u64, body: Result<Vec<u8>, Silence>) {
        // A device that died meanwhile no longer waits for this reply.
        if self.devices[device].waiting_for != Some(ticket) {
            return;
        }
        self.devices[device].waiting_for = None;
        let moment = self.moment(device);
        match body {
            Ok(body) => {
                self.replica(device).handle_reply(&body, &moment).expect("the device takes the reply");
            }
            Err(_) => self.replica(device).handle_failure(&Failure::Unreachable, &moment),
        }
    }
}

/// The files of a world in which nobody works.
#[derive(Debug)]
pub struct ClosedWorld {
    now_ms: i64,
    branch: PathBuf,
    devices: Vec<(UserId, PathBuf)>,
    granted: BTreeMap<UserId, BTreeSet<ScopeId>>,
    _dir: Folder,
}

impl ClosedWorld {
    /// A world that goes on from copies of the branch's file and of some of the devices. Devices are opened
    /// when they are first used.
    ///
    /// # Panics
    /// When a file cannot be copied or opened.
    #[must_use]
    pub fn open(&self, mut seed: Seed, devices: &[usize]) -> World {
        let dir = Folder::fresh();
        let branch = dir.path().join("branch");
        std::fs::create_dir(&branch).expect("a folder can be made");
        std::fs::copy(&self.branch, branch.join(BRANCH_FILE)).expect("the file can be copied");
        let branch_disk = Disk::under(&branch);
        let hub = Hub::open(&branch, &options(&mut seed)).expect("the copy opens");
        let mut world = World {
            seed,
            now_ms: self.now_ms,
            hub,
            devices: Vec::new(),
            network: Network::default(),
            branch_ahead_ms: 0,
            was_put_back: false,
            branch_disk,
            branch,
            granted: self.granted.clone(),
            dir,
        };
        for device in devices {
            let (user, from) = &self.devices[*device];
            let path = world.place_for(user);
            std::fs::copy(from, &path).expect("the file can be copied");
            world.add(user.clone(), path, None);
        }
        world
    }
}

/// A world's folder, thrown away with it: in memory where the system has a place for that.
#[derive(Debug)]
struct Folder(TempDir);

impl Folder {
    fn fresh() -> Self {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        Self(made.expect("a temporary folder can be made"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        disk::forget(self.path());
    }
}

/// How the branch of a world is opened: nothing of it hangs on the time of day.
fn options(seed: &mut Seed) -> HubOptions {
    HubOptions { idle_flush: Duration::from_secs(24 * 60 * 60), ..HubOptions::new(seed.bytes()) }
}
