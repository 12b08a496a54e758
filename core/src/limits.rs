//! Every limit of the product in one place; each has a clear error where it is enforced.

/// Largest single change, bytes of its raw chunk: several texts of full length in one action.
pub const CHANGE_BYTES_MAX: usize = 256 * 1024;
/// Most operations in one change. A shared text takes one for each character that goes or comes: three texts
/// of full length fit, or one that is written anew from end to end.
pub const CHANGE_OPS_MAX: u64 = 32_768;
/// Most operations of a change that stands behind another in its run: a larger one begins a run, so that what
/// a run of few bytes may claim stays bounded.
pub const FOLLOWING_OPS_MAX: u64 = 4_096;
/// Most changes in one signed run.
pub const RUN_CHANGES_MAX: usize = 256;
/// Largest exchange body after decompression, bytes.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Default and largest page that a device asks for, bytes before compression: with what stands around it
/// less than what a message may hold.
pub const PAGE_BYTES_MAX: u32 = 7 * 512 * 1024;
/// Most scopes in one request; a replica with more asks in turns.
pub const REQUEST_SCOPES_MAX: usize = 64;
/// Most documents that one request wants in full.
pub const REQUEST_WANTED_MAX: usize = 256;
/// Longest note or text answer, characters.
pub const NOTE_CHARS_MAX: usize = 10_000;
/// Largest photo, or other file that a record names, bytes.
pub const PHOTO_BYTES_MAX: u64 = 20 * 1024 * 1024;
/// Largest file that is read at capture, bytes: a picture above the limit may become one below it.
pub const FILE_BYTES_READ_MAX: u64 = 64 * 1024 * 1024;
/// Most pixels of a picture that is decoded: what its memory is bounded by.
pub const PICTURE_PIXELS_MAX: u64 = 50_000_000;
/// Longer side of a thumbnail, pixels.
pub const THUMBNAIL_EDGE: u32 = 320;
/// Most changes in one document before it is sealed.
pub const DOCUMENT_CHANGES_MAX: u32 = 5_000;
/// Most actors in one document before it is sealed.
pub const DOCUMENT_ACTORS_MAX: u32 = 500;
/// Largest definition, bytes.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;
/// A device clock further than this from the server's is marked suspicious, milliseconds.
pub const CLOCK_SKEW_SUSPICIOUS_MS: i64 = 10 * 60 * 1000;
/// Most rows of one scope that are compared row by row; a larger scope is fetched from its beginning.
pub const COMPARED_ROWS_MAX: usize = 1_000_000;
/// Most rows of a report; what it may hold in memory.
pub const REPORT_ROWS_MAX: usize = 200_000;
/// Most paper sheets of one report.
pub const REPORT_SHEETS_MAX: usize = 1_000;
