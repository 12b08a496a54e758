//! Who signed a run: the device that pushes it, or another one whose run it gives back.
//!
//! After a restore from an older backup the devices hold what the branch has lost, other people's
//! signed runs and the branch's own among it. Whoever may read a scope may give its runs back; the
//! signature still has to be that of the device, and the rules still judge the person who wrote.

use xunyuan_core::error::{Error, Refusal};
use xunyuan_core::id::{DeviceId, UserId};
use xunyuan_core::wire::message::PushedRun;

use crate::hub::desk;
use crate::hub::devices::Device;
use crate::hub::store;
use crate::hub::writer::Writer;

/// The author of a run as the branch knows it.
pub(super) struct Signer {
    pub(super) device: DeviceId,
    pub(super) user: UserId,
    pub(super) public_key: [u8; 32],
    /// True for a run of the branch's own, from an epoch that it has forgotten.
    pub(super) is_server: bool,
    /// True when another device than the author's gives the run back.
    pub(super) is_given_back: bool,
}

/// The signer of a pushed run.
///
/// # Errors
/// The inner error refuses a run whose author the branch does not know, e.g. a device that was enrolled
/// after the backup was taken.
pub(super) fn of(
    writer: &Writer,
    device: &Device,
    pushed: &PushedRun,
) -> Result<Result<Signer, Refusal>, Error> {
    let Some(author) = pushed.author.as_ref().filter(|author| author.device != device.id) else {
        return Ok(Ok(itself(device)));
    };
    let identity = &writer.shared.identity;
    if author.device == identity.device {
        return Ok(Ok(Signer {
            device: identity.device,
            user: identity.user.clone(),
            public_key: identity.key.public(),
            is_server: true,
            is_given_back: true,
        }));
    }
    let row = match store::device::find(&writer.conn, author.device)?.filter(|row| row.user == author.user) {
        Some(row) => Some(row),
        // What was written in the console is signed with keys that the branch can make again.
        None => desk::known_again(writer, author.device, &author.user)?,
    };
    Ok(row
        .map(|row| Signer {
            device: row.device,
            user: row.user,
            public_key: row.public_key,
            is_server: false,
            is_given_back: true,
        })
        .ok_or_else(|| {
            Refusal::new(
                "unknown_author",
                "分公司不认识这份记录的签名设备;请该设备重新登记后由本人补交",
                "the branch does not know the device that signed this run; it must enrol again and push it itself",
            )
        }))
}

/// A device as the signer of its own runs.
pub(super) fn itself(device: &Device) -> Signer {
    Signer {
        device: device.id,
        user: device.user.clone(),
        public_key: device.public_key,
        is_server: false,
        is_given_back: false,
    }
}
