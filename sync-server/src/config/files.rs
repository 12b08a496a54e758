//! Where photos and other files lie.

use serde::{Deserialize, Serialize};

use crate::vault::{BucketOptions, VaultOptions};

/// Where photos and other files lie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileConfig {
    /// `directory`: below the data directory; `s3`: in a bucket of an S3-compatible store.
    /// `XUNYUAN_FILES_STORE`, default `directory`.
    pub store: FileStore,
    /// Address of the S3-compatible store, e.g. `https://s3.example.cn`; empty for that of the region.
    /// `XUNYUAN_S3_ENDPOINT`, default empty.
    pub s3_endpoint: String,
    /// The bucket. `XUNYUAN_S3_BUCKET`, default empty.
    pub s3_bucket: String,
    /// Its region. `XUNYUAN_S3_REGION`, default `us-east-1`.
    pub s3_region: String,
    /// Id of the key. `XUNYUAN_S3_ACCESS_KEY`, default empty.
    pub s3_access_key: String,
    /// The key; `config` does not show it. `XUNYUAN_S3_SECRET_KEY`, default empty.
    pub s3_secret_key: String,
}

/// What holds photos and other files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileStore {
    /// A directory tree.
    #[default]
    Directory,
    /// A bucket.
    S3,
}

impl Default for FileConfig {
    fn default() -> Self {
        Self {
            store: FileStore::Directory,
            s3_endpoint: String::new(),
            s3_bucket: String::new(),
            s3_region: "us-east-1".to_owned(),
            s3_access_key: String::new(),
            s3_secret_key: String::new(),
        }
    }
}

impl std::fmt::Debug for FileConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileConfig").field("store", &self.store).finish_non_exhaustive()
    }
}

impl FileConfig {
    /// The same as the hub takes it.
    #[must_use]
    pub fn vault(&self) -> VaultOptions {
        match self.store {
            FileStore::Directory => VaultOptions::Directory,
            FileStore::S3 => VaultOptions::Bucket(BucketOptions {
                endpoint: self.s3_endpoint.clone(),
                bucket: self.s3_bucket.clone(),
                region: self.s3_region.clone(),
                access_key: self.s3_access_key.clone(),
                secret_key: self.s3_secret_key.clone(),
            }),
        }
    }
}
