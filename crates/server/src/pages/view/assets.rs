//! Style sheets, modules and the browser libraries, embedded. Their address carries a version that changes with any of
//! them, so that browsers may keep them for ever.

use rust_embed::RustEmbed;
use std::sync::LazyLock;

/// Our own files.
#[derive(RustEmbed)]
#[folder = "../../web/assets"]
struct Own;

/// The libraries, copied by the build script from `web/node_modules` where `npm ci` was run.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/vendor"]
#[prefix = "vendor/"]
struct Vendor;

/// A file as it is served.
pub struct Asset {
    /// Contents.
    pub data: std::borrow::Cow<'static, [u8]>,
    /// Media type.
    pub media_type: String,
    /// Strong validator.
    pub etag: String,
}

/// The file at `path`, below the version.
pub fn get(path: &str) -> Option<Asset> {
    let file = Own::get(path).or_else(|| Vendor::get(path))?;
    Some(Asset {
        etag: format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16])),
        media_type: match file.metadata.mimetype() {
            text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
            other => other.into(),
        },
        data: file.data,
    })
}

/// Whether the browser libraries are in this build.
pub fn has_libraries() -> bool {
    static HAS: LazyLock<bool> = LazyLock::new(|| {
        Vendor::get("vendor/htmx.js").is_some() && Vendor::get("vendor/uplot.js").is_some()
    });
    *HAS
}

/// Changes when any file does.
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        if cfg!(debug_assertions) {
            return "dev".into(); // files are read from the folder at each request
        }
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        let files = Own::iter().chain(Vendor::iter());
        for hash in files.filter_map(|path| Some(get(&path)?.etag)) {
            for byte in hash.bytes() {
                sum = (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        format!("{sum:016x}")
    });
    &VERSION
}

/// The address of the file at `path`.
pub fn href(path: &str) -> String {
    format!("/assets/{}/{path}", version())
}
