//! Who is calling: a device by its bearer token, a person by the cookie of a browser, a program by
//! the token of a person, or nobody.
//!
//! Receives the parts of a request; hands on a [`Caller`], a [`Contact`], a [`Person`], a [`Program`] or
//! what a person `Posted`. Handlers that take one of them cannot be reached without it, and what a page asks of its
//! caller stands in the handler's signature. Nothing about tokens, passwords and codes is kept or logged.

mod device;
mod password;
mod person;
mod posted;
mod program;
mod second_factor;
mod sign_in;

pub use device::{Caller, Contact};
pub(crate) use device::{revoked, token_of};
pub use password::hash as password_hash;
pub(crate) use password::{Weakness, stored, weakness};
pub(crate) use person::{
    Half, ManageDevices, ManageHooks, ManagePeople, PublishDefinitions, ReadAudit, cookie_of,
};
pub use person::{Person, Policy};
pub(crate) use posted::{Fields, File, HalfSent, Posted, UPLOAD_BYTES_MAX, Uploaded};
pub use program::{Needed, Program};
pub(crate) use program::{ReadDuties, ReadRecords, ReadReports};
pub(crate) use second_factor::SecondFactor;
pub(crate) use sign_in::{Cookie, Step, is_right, needs_factor, sign_in, take_code};
