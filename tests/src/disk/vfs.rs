//! The layer below SQLite: every call goes to the system's own files; calls that write ask the disk first.
//!
//! A VFS of SQLite is a table of C functions, so this is the one place of the tests with unsafe code. It
//! is installed as the process' default, because the product opens its files without naming a VFS. Files
//! of folders without a simulated disk go straight through.
#![expect(unsafe_code, reason = "SQLite takes a VFS as C functions over raw pointers")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::mem::{size_of, zeroed};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr::{drop_in_place, null, null_mut};
use std::sync::{Arc, OnceLock};

use rusqlite::ffi;

use super::{Answer, Disk, Unsynced, disk_of};

/// An open file: SQLite sees the first field, the system's file lies behind the last.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    place: Option<Place>,
}

/// Where a file lies, when that is on a simulated disk.
struct Place {
    disk: Arc<Disk>,
    path: PathBuf,
}

/// The system's VFS and ours.
struct Layer {
    system: *mut ffi::sqlite3_vfs,
    ours: ffi::sqlite3_vfs,
}

// SAFETY: SQLite shares VFS objects between threads; neither is written to after the installation.
unsafe impl Send for Layer {}
// SAFETY: as above.
unsafe impl Sync for Layer {}

static LAYER: OnceLock<Layer> = OnceLock::new();

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Puts the layer in, once per process.
pub(super) fn install() {
    let layer = LAYER.get_or_init(|| {
        // SAFETY: a null name asks for the default VFS, which SQLite keeps for the life of the process.
        let system = unsafe { ffi::sqlite3_vfs_find(null()) };
        assert!(!system.is_null(), "SQLite has a VFS");
        // SAFETY: the system's VFS is a valid object; ours takes its functions over and replaces two.
        let mut ours = unsafe { std::ptr::read(system) };
        let behind = c_int::try_from(size_of::<File>()).expect("a file object is small");
        ours.szOsFile += behind;
        ours.pNext = null_mut();
        ours.zName = c"xunyuan-disk".as_ptr();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        Layer { system, ours }
    });
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        // SAFETY: the object lives in a static; SQLite only links it into its list.
        let registered = unsafe { ffi::sqlite3_vfs_register((&raw const layer.ours).cast_mut(), 1) };
        assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes the VFS");
    });
}

fn system() -> *mut ffi::sqlite3_vfs {
    LAYER.get().expect("calls come after the installation").system
}

/// The path of a file's database: its journals lie beside it and share its disk.
///
/// # Safety
/// `name` is null or a string that ends with a zero byte.
unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    // SAFETY: as promised by the caller.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Some(Path::new(OsStr::from_bytes(bytes)).to_owned())
}

/// The system's file behind ours, and its functions.
///
/// # Safety
/// `file` was opened by [`open`].
unsafe fn inner(file: *mut ffi::sqlite3_file) -> (*mut ffi::sqlite3_file, &'static ffi::sqlite3_io_methods) {
    // SAFETY: SQLite reserves `szOsFile` bytes: ours first, the system's behind them; the system sets its
    // method table, a static, when it opens the file.
    unsafe {
        let behind = file.cast::<File>().add(1).cast::<ffi::sqlite3_file>();
        (behind, &*(*behind).pMethods)
    }
}

/// # Safety
/// `file` was opened by [`open`].
unsafe fn place<'f>(file: *mut ffi::sqlite3_file) -> Option<&'f Place> {
    // SAFETY: ours is a `File`, alive until SQLite closes it.
    unsafe { (*file.cast::<File>()).place.as_ref() }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with a valid name or null and with `szOsFile` bytes of room.
    unsafe {
        let place = path_of(name).and_then(|path| disk_of(&path).map(|disk| Place { disk, path }));
        let ours = file.cast::<File>();
        ours.write(File { base: zeroed(), place });
        let behind = ours.add(1).cast::<ffi::sqlite3_file>();
        let open = (*system()).xOpen.expect("every VFS opens files");
        let outcome = open(system(), name, behind, flags, out_flags);
        if (*behind).pMethods.is_null() {
            drop_in_place(ours);
            (*file).pMethods = null();
        } else {
            (*file).pMethods = &raw const METHODS;
        }
        outcome
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: SQLite calls with a valid name.
    unsafe {
        let path = path_of(name).unwrap_or_default();
        if let Some(disk) = disk_of(&path) {
            if disk.ask(false) == Answer::Dead {
                return ffi::SQLITE_IOERR_DELETE;
            }
            disk.note_synced(&path);
        }
        let delete = (*system()).xDelete.expect("every VFS deletes files");
        delete(system(), name, sync_dir)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: an open file of ours; nobody uses it after this call.
    unsafe {
        let (behind, methods) = inner(file);
        let outcome = methods.xClose.expect("a file closes")(behind);
        drop_in_place(file.cast::<File>());
        outcome
    }
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    amount: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xRead.expect("a file reads")(behind, to, amount, at)
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    amount: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: passed on as it came, unless the disk says no.
    unsafe {
        let (behind, methods) = inner(file);
        if let Some(place) = place(file) {
            let length_before = length(behind, methods);
            let end = at.cast_unsigned() + u64::from(amount.cast_unsigned());
            match place.disk.ask(end > length_before) {
                Answer::Pass => {}
                Answer::Dead => return ffi::SQLITE_IOERR_WRITE,
                Answer::Full => return ffi::SQLITE_FULL,
                Answer::PassAndNote => {
                    let amount = usize::try_from(amount).unwrap_or(0);
                    let at = at.cast_unsigned();
                    let old = usize::try_from(length_before.saturating_sub(at)).unwrap_or(0).min(amount);
                    let mut before = vec![0_u8; old];
                    let length = c_int::try_from(old).unwrap_or(0);
                    let to = before.as_mut_ptr().cast();
                    methods.xRead.expect("a file reads")(behind, to, length, at.cast_signed());
                    let after = std::slice::from_raw_parts(from.cast::<u8>(), amount).to_vec();
                    let path = place.path.clone();
                    place.disk.note(Unsynced { path, at, length_before, before, after });
                }
            }
        }
        methods.xWrite.expect("a file writes")(behind, from, amount, at)
    }
}

/// # Safety
/// An open file of the system with its functions.
unsafe fn length(behind: *mut ffi::sqlite3_file, methods: &ffi::sqlite3_io_methods) -> u64 {
    let mut size = 0;
    // SAFETY: the caller's promise.
    unsafe { methods.xFileSize.expect("a file has a size")(behind, &raw mut size) };
    size.cast_unsigned()
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: passed on as it came, unless the disk says no.
    unsafe {
        let (behind, methods) = inner(file);
        if let Some(place) = place(file) {
            if place.disk.ask(false) == Answer::Dead {
                return ffi::SQLITE_IOERR_TRUNCATE;
            }
            place.disk.note_synced(&place.path);
        }
        methods.xTruncate.expect("a file is cut")(behind, size)
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: passed on as it came, unless the disk says no.
    unsafe {
        let (behind, methods) = inner(file);
        if let Some(place) = place(file) {
            if place.disk.ask(false) == Answer::Dead {
                return ffi::SQLITE_IOERR_FSYNC;
            }
            place.disk.note_synced(&place.path);
        }
        methods.xSync.expect("a file syncs")(behind, flags)
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut ffi::sqlite3_int64) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xFileSize.expect("a file has a size")(behind, size)
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xLock.expect("a file locks")(behind, level)
    }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xUnlock.expect("a file unlocks")(behind, level)
    }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xCheckReservedLock.expect("a file knows its locks")(behind, out)
    }
}

unsafe extern "C" fn file_control(
    file: *mut ffi::sqlite3_file,
    operation: c_int,
    with: *mut c_void,
) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xFileControl.expect("a file is controlled")(behind, operation, with)
    }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xSectorSize.map_or(0, |call| call(behind))
    }
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xDeviceCharacteristics.map_or(0, |call| call(behind))
    }
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xShmMap.expect("the system shares memory")(behind, page, size, extend, out)
    }
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xShmLock.expect("the system shares memory")(behind, offset, count, flags)
    }
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xShmBarrier.expect("the system shares memory")(behind);
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: passed on as it came.
    unsafe {
        let (behind, methods) = inner(file);
        methods.xShmUnmap.expect("the system shares memory")(behind, delete)
    }
}
