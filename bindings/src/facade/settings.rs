//! How an app wants its replica: language, name, network, rhythm.

use std::time::Duration;

use crate::clock::{CLOCK_VARIABLE, Clock};
use crate::failure::Failure;
use crate::held::{self, Habits};
use crate::net::Carrier;
use crate::words::Lang;

/// A language of the product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, uniffi::Enum)]
pub enum Language {
    /// Simplified Chinese.
    #[default]
    Chinese,
    /// English.
    English,
}

impl Language {
    pub(super) const fn lang(self) -> Lang {
        match self {
            Self::Chinese => Lang::Zh,
            Self::English => Lang::En,
        }
    }
}

/// What the platform says of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Network {
    /// There is none.
    Absent,
    /// One that costs, or that the person wants to spare.
    Metered,
    /// One that may be used freely.
    Free,
}

impl Network {
    pub(super) const fn held(self) -> held::Network {
        match self {
            Self::Absent => held::Network::Absent,
            Self::Metered => held::Network::Metered,
            Self::Free => held::Network::Free,
        }
    }
}

/// How a replica is opened.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Settings {
    /// The name and version of the app, e.g. `patrol-android/1.4.0`: what the branch sees.
    pub app: String,
    /// The language of every text.
    #[uniffi(default = None)]
    pub language: Option<Language>,
    /// The IANA name of the device's time zone, e.g. `Asia/Shanghai`; what the system says where it is
    /// left out.
    #[uniffi(default = None)]
    pub time_zone: Option<String>,
    /// The platform's proxy, `http://host:port`.
    #[uniffi(default = None)]
    pub proxy: Option<String>,
    /// Longest time between two exchanges while there is signal, seconds.
    #[uniffi(default = 900)]
    pub exchange_every_s: u32,
    /// Exchange by itself on a network that costs; records are small.
    #[uniffi(default = true)]
    pub exchange_on_metered: bool,
    /// Exchange by itself at all; without it only `sync_now`, `sync` and `sync_once` do.
    #[uniffi(default = true)]
    pub exchange_by_itself: bool,
}

impl Settings {
    pub(super) fn lang(&self) -> Lang {
        self.language.unwrap_or_default().lang()
    }

    pub(super) const fn habits(&self) -> Habits {
        Habits {
            every: Duration::from_secs(if self.exchange_every_s == 0 {
                1
            } else {
                self.exchange_every_s as u64
            }),
            on_metered: self.exchange_on_metered,
            by_itself: self.exchange_by_itself,
        }
    }

    pub(super) fn carrier(&self) -> Result<Carrier, Failure> {
        Carrier::new(&self.app, self.proxy.as_deref())
    }

    pub(super) fn clock(&self) -> Result<Clock, Failure> {
        clock(self.time_zone.as_deref())
    }
}

/// The device's clock in a time zone; a rehearsal's where [`CLOCK_VARIABLE`] is set, as in tests.
pub(super) fn clock(time_zone: Option<&str>) -> Result<Clock, Failure> {
    Clock::from_setting(std::env::var(CLOCK_VARIABLE).ok().as_deref(), time_zone)
}
