//! Compiles the SQLite of every store: SQLite3 Multiple Ciphers, which is SQLite with pages that can be encrypted.
//!
//! `rusqlite` is told by its feature `in_gecko` that SQLite is linked by somebody else: this crate. Devices and
//! branch have the same library, so that what the tests run is what ships.

/// What is compiled in: as `rusqlite` bundles it, less what the product has no use for.
const DEFINED: &[(&str, Option<&str>)] = &[
    ("SQLITE_CORE", None),
    ("SQLITE_DEFAULT_FOREIGN_KEYS", Some("1")),
    ("SQLITE_ENABLE_API_ARMOR", None),
    ("SQLITE_ENABLE_COLUMN_METADATA", None),
    ("SQLITE_ENABLE_DBSTAT_VTAB", None),
    ("SQLITE_ENABLE_FTS5", None),
    ("SQLITE_ENABLE_STAT4", None),
    ("SQLITE_OMIT_LOAD_EXTENSION", None),
    ("SQLITE_THREADSAFE", Some("1")),
    ("SQLITE_USE_URI", None),
    ("HAVE_USLEEP", Some("1")),
    ("HAVE_ISNAN", None),
    // One cipher, the fastest without hardware for it; each of the others is dead weight on a phone.
    ("CODEC_TYPE", Some("CODEC_TYPE_CHACHA20")),
    ("HAVE_CIPHER_AES_128_CBC", Some("0")),
    ("HAVE_CIPHER_AES_256_CBC", Some("0")),
    ("HAVE_CIPHER_SQLCIPHER", Some("0")),
    ("HAVE_CIPHER_RC4", Some("0")),
    ("HAVE_CIPHER_ASCON128", Some("0")),
    ("HAVE_CIPHER_AEGIS", Some("0")),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("ARCH") == "wasm32" {
        // There SQLite comes with its own crate.
        return;
    }
    let dir = sqlite3mc_src::source_dir();
    let mut compiler = cc::Build::new();
    compiler.file(dir.join(sqlite3mc_src::SOURCE_FILE)).include(dir).warnings(false);
    for (name, value) in DEFINED {
        compiler.define(name, *value);
    }
    if target("OS") != "windows" {
        compiler.define("HAVE_LOCALTIME_R", None);
    }
    // Temporary files are encrypted too, each under a key that is never written. Android has no place for them.
    compiler.define("SQLITE_TEMP_STORE", if target("OS") == "android" { "3" } else { "1" });
    // Whole: the linker meets this library before the crate that calls it.
    compiler.link_lib_modifier("+whole-archive").compile("sqlite3mc");
}
