//! Images fetched by URL, from a source on this machine that is as bad as the test wants it.

#![allow(clippy::unwrap_used)]

mod vendor;

use bellwether_engine::{
    Actor, Admin, Engine, Running, Settings,
    images::{self, Fetching, NewImage},
    jobs,
    people::{self, NewAccount},
};
use bellwether_hypervisor::sim::{SimFleet, SimSpec};
use bellwether_model::{
    Error, ErrorKind,
    image::{Image, ImageState},
    job::{Job, JobState},
    vm::Devices,
};
use bellwether_store::{History, Store};
use sha2::{Digest, Sha256, Sha512};
use std::{sync::Arc, time::Duration};
use vendor::{Reply, Vendor};

/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine without hosts that may ask sources on this machine.
struct Site {
    engine: Engine,
    admin: Admin,
    _running: Running,
    folder: tempfile::TempDir,
}

/// Patient, and quick to ask again.
fn patient() -> Fetching {
    Fetching {
        most: 4 << 20,
        least: 1,
        tries: 4,
        pause: Duration::from_millis(1),
        ..Fetching::default()
    }
}

impl Site {
    async fn new(fetching: Fetching) -> Self {
        Self::with(Settings {
            allow_local_image_urls: true,
            fetching,
            ..Settings::default()
        })
        .await
    }

    async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("bellwether.db").display());
        let engine = Engine::new(
            Store::open(&url).await.unwrap(),
            History::open(&url).await.unwrap(),
            Arc::new(SimFleet::new(SimSpec::default()).connector()),
            Settings {
                data_dir: folder.path().into(),
                ..settings
            },
        );
        let account = NewAccount {
            login: "root".into(),
            full_name: "Root".into(),
            mail: "root@example.org".into(),
            password: "correct horse battery".to_owned().into(),
        };
        let admin = people::create_admin(&engine, account).await.unwrap();
        Self {
            admin: Actor::of(&admin).admin().unwrap(),
            _running: engine.start().await.unwrap(),
            engine,
            folder,
        }
    }

    async fn add(&self, new: NewImage) -> Result<(Image, Job), Error> {
        images::add(&self.engine, &self.admin, new).await
    }

    /// Adds it and waits until it is ready or failed.
    async fn fetched(&self, new: NewImage) -> Image {
        let (image, job) = self.add(new).await.unwrap();
        self.ends(&job).await;
        self.image(&image).await
    }

    async fn image(&self, image: &Image) -> Image {
        self.engine.store().image(image.id).await.unwrap()
    }

    async fn retried(&self, image: &Image) -> Image {
        let job = images::retry(&self.engine, &self.admin, image.id)
            .await
            .unwrap();
        self.ends(&job).await;
        self.image(image).await
    }

    async fn ends(&self, job: &Job) -> Job {
        until("the job ends", async || {
            let job = self.engine.store().job(job.id).await.unwrap();
            (!job.state.is_open()).then_some(job)
        })
        .await
    }

    /// Names of the files that images left, without what is said of a version.
    fn files(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.folder.path().join("images")) else {
            return Vec::new();
        };
        files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn bytes(&self, image: &Image) -> Vec<u8> {
        std::fs::read(self.folder.path().join("images").join(image.id.to_string())).unwrap()
    }
}

async fn until<T>(what: &str, so: impl AsyncFn() -> Option<T>) -> T {
    let began = tokio::time::Instant::now();
    loop {
        if let Some(found) = so().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn new(url: String) -> NewImage {
    NewImage {
        name: "Debian".into(),
        os: "Debian 13".into(),
        url: Some(url),
        sha256: None,
        checksums_url: None,
        min_disk_gib: 1,
        min_memory_mib: 128,
        devices: Devices::Virtio,
        cloud_init: true,
        from_catalogue: None,
    }
}

fn with_sum(url: String, bytes: &[u8]) -> NewImage {
    NewImage {
        sha256: Some(hex::encode(Sha256::digest(bytes))),
        ..new(url)
    }
}

/// A raw disk whose every part is told from every other.
fn disk(seed: u8) -> Vec<u8> {
    (0..300_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ seed)
        .collect()
}

fn assert_failed(image: &Image, why: &str) {
    assert_eq!(image.state, ImageState::Failed);
    let reason = image.reason.as_deref().unwrap_or_default();
    assert!(reason.contains(why), "{reason}");
}

#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let bytes = disk(1);
    let source = Vendor::start({
        let bytes = bytes.clone();
        move |asked| match (asked.times, asked.from) {
            (0, _) => Reply::file(&bytes, "\"a\"", 0).cut(100_000),
            (1, _) => Reply::new(503),
            (2, Some(from)) => Reply::file(&bytes, "\"a\"", from).cut(50_000),
            (_, from) => Reply::file(&bytes, "\"a\"", from.unwrap_or(0)),
        }
    })
    .await;
    let site = Site::new(patient()).await;
    let image = site.fetched(with_sum(source.url("disk.raw"), &bytes)).await;
    assert_eq!(image.state, ImageState::Ready, "{:?}", image.reason);
    assert!(image.verified);
    assert_eq!(image.file_bytes, Some(300_000));
    assert_eq!(site.bytes(&image), bytes);
    assert_eq!(
        source.froms("disk.raw"),
        [None, Some(100_000), Some(100_000), Some(150_000)]
    );
    assert_eq!(site.files(), [image.id.to_string()], "nothing else is left");
}

#[tokio::test]
async fn a_source_that_knows_no_ranges_is_asked_for_everything_again() {
    let bytes = disk(2);
    let source = Vendor::start({
        let bytes = bytes.clone();
        move |asked| {
            let whole = Reply::new(200).body(&bytes);
            if asked.times == 0 {
                whole.cut(100_000)
            } else {
                whole
            }
        }
    })
    .await;
    let site = Site::new(patient()).await;
    let image = site.fetched(with_sum(source.url("disk.raw"), &bytes)).await;
    assert_eq!(image.state, ImageState::Ready, "{:?}", image.reason);
    assert_eq!(site.bytes(&image), bytes);
}

#[tokio::test]
async fn a_file_that_changes_on_the_way_is_fetched_anew() {
    for dated in [false, true] {
        let (old, fresh) = (disk(3), disk(4));
        let source = Vendor::start({
            let fresh = fresh.clone();
            let of = move |bytes: &[u8], version: &str, from| {
                if dated {
                    let reply = Reply::file(bytes, "", from);
                    reply.header(
                        "last-modified",
                        format!("Mon, 30 Nov 2026 0{version}:00:00 GMT"),
                    )
                } else {
                    Reply::file(bytes, &format!("\"{version}\""), from)
                }
            };
            move |asked| match asked.times {
                0 => of(&old, "1", 0).cut(100_000),
                _ => of(&fresh, "2", asked.from.unwrap_or(0)),
            }
        })
        .await;
        let site = Site::new(patient()).await;
        // Nothing would tell afterwards: no checksum is known.
        let image = site.fetched(new(source.url("disk.raw"))).await;
        assert_eq!(image.state, ImageState::Ready, "{:?}", image.reason);
        assert_eq!(site.bytes(&image), fresh, "not a mixture of both");
        assert!(!image.verified);
    }
}

#[tokio::test]
async fn what_is_not_what_was_promised_is_dropped() {
    let source = Vendor::start(|_| Reply::new(200).body(&disk(5))).await;
    let site = Site::new(patient()).await;
    let image = site
        .fetched(with_sum(source.url("disk.raw"), &disk(6)))
        .await;
    assert_failed(&image, "its checksum is");
    assert!(!image.verified);
    assert_eq!(site.files(), Vec::<String>::new());
}

#[tokio::test]
async fn what_no_host_may_read_is_dropped_when_it_was_fetched() {
    let mut backed = vec![0_u8; 4096];
    backed[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    backed[15] = 64;
    backed[19] = 11;
    let page = format!(
        "<!DOCTYPE html><title>Please log in</title>{}",
        " ".repeat(4096)
    );
    for (bytes, why) in [(backed, "backing file"), (page.into_bytes(), "web page")] {
        let source = Vendor::start({
            let bytes = bytes.clone();
            move |_| Reply::new(200).body(&bytes)
        })
        .await;
        let site = Site::new(patient()).await;
        // The checksum vouches for who made it, not for what it does to a host.
        let image = site
            .fetched(with_sum(source.url("disk.qcow2"), &bytes))
            .await;
        assert_failed(&image, why);
        assert_eq!(site.files(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_asked_for_once() {
    let source = Vendor::start(|_| Reply::new(404)).await;
    let site = Site::new(patient()).await;
    let image = site.fetched(new(source.url("disk.raw"))).await;
    assert_failed(&image, "the source answered 404");
    assert_eq!(source.asked().len(), 1);
}

#[tokio::test]
async fn redirections_are_followed_and_bounded() {
    let bytes = disk(7);
    let source = Vendor::start({
        let bytes = bytes.clone();
        move |asked| match asked.path.as_str() {
            "latest.raw" => Reply::new(302).header("location", "/mirror/disk.raw"),
            "mirror/disk.raw" => Reply::file(&bytes, "\"a\"", asked.from.unwrap_or(0)),
            "file.raw" => Reply::new(302).header("location", "file:///etc/shadow"),
            _ => Reply::new(302).header("location", "/round"),
        }
    })
    .await;
    let site = Site::new(patient()).await;
    let image = site
        .fetched(with_sum(source.url("latest.raw"), &bytes))
        .await;
    assert_eq!(image.state, ImageState::Ready, "{:?}", image.reason);
    for (file, why) in [("round", "more than 10 times"), ("file.raw", "elsewhere")] {
        let named = NewImage {
            name: file.into(),
            ..new(source.url(file))
        };
        assert_failed(&site.fetched(named).await, why);
    }
    assert!(source.froms("round").len() <= 12, "{:?}", source.asked());
}

/// Gives up on a source soon.
fn hasty() -> Fetching {
    Fetching {
        stall: Duration::from_millis(500),
        ..patient()
    }
}

/// A source that stops sending in the middle the first time, and sends from where it is asked to afterwards.
async fn stops_once(bytes: &[u8]) -> Vendor {
    let bytes = bytes.to_vec();
    Vendor::start(move |asked| match asked.times {
        0 => Reply::file(&bytes, "\"a\"", 0).stall_after(100_000),
        _ => Reply::file(&bytes, "\"a\"", asked.from.unwrap_or(0)),
    })
    .await
}

#[tokio::test]
async fn a_source_that_stops_sending_is_asked_again() {
    let bytes = disk(8);
    let source = stops_once(&bytes).await;
    let site = Site::new(hasty()).await;
    let image = site.fetched(with_sum(source.url("disk.raw"), &bytes)).await;
    assert_eq!(image.state, ImageState::Ready, "{:?}", image.reason);
    assert_eq!(source.froms("disk.raw")[1], Some(100_000));
}

#[tokio::test]
async fn a_source_that_never_sends_or_only_drips_is_given_up() {
    for dripping in [false, true] {
        let source = Vendor::start(move |_| {
            let reply = Reply::file(&disk(9), "\"a\"", 0);
            if dripping {
                reply.drip()
            } else {
                reply.stall_after(0)
            }
        })
        .await;
        let site = Site::new(Fetching {
            least: 64 << 10,
            tries: 2,
            ..hasty()
        })
        .await;
        let image = site.fetched(new(source.url("disk.raw"))).await;
        assert_failed(&image, "the source sent");
        assert!(source.asked().len() >= 2);
    }
}

#[tokio::test]
async fn a_file_too_large_or_without_end_is_not_taken() {
    for endless in [false, true] {
        let source = Vendor::start(move |_| {
            if endless {
                Reply::new(200).endless()
            } else {
                Reply::new(200)
                    .header("content-length", (5_u64 << 20).to_string())
                    .stall_after(0)
            }
        })
        .await;
        let site = Site::new(patient()).await;
        let image = site.fetched(new(source.url("disk.raw"))).await;
        assert_failed(&image, "larger than 4194304 bytes");
        assert_eq!(source.asked().len(), 1);
        assert_eq!(site.files(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn trying_again_goes_on_where_the_last_job_gave_up() {
    let bytes = disk(10);
    let source = Vendor::start({
        let bytes = bytes.clone();
        move |asked| match asked.times {
            0 => Reply::file(&bytes, "\"a\"", 0).cut(100_000),
            1..=4 => Reply::new(503),
            _ => Reply::file(&bytes, "\"a\"", asked.from.unwrap_or(0)),
        }
    })
    .await;
    let site = Site::new(patient()).await;
    let image = site.fetched(with_sum(source.url("disk.raw"), &bytes)).await;
    assert_failed(&image, "the source answered 503");
    let image = site.retried(&image).await;
    assert_eq!(image.state, ImageState::Ready, "{:?}", image.reason);
    assert_eq!(site.bytes(&image), bytes);
    let froms = source.froms("disk.raw");
    assert_eq!(froms.first(), Some(&None));
    assert!(
        froms[1..].iter().all(|from| *from == Some(100_000)),
        "{froms:?}"
    );
}

#[tokio::test]
async fn the_vendors_own_file_says_what_the_checksum_is() {
    let bytes = disk(11);
    let sums = format!(
        "{}  other.raw\n{}  disk.raw\n",
        "00".repeat(64),
        hex::encode(Sha512::digest(&bytes))
    );
    let source = Vendor::start({
        let bytes = bytes.clone();
        move |asked| match (asked.path.as_str(), asked.times) {
            ("disk.raw" | "unnamed.raw", _) => {
                Reply::file(&bytes, "\"a\"", asked.from.unwrap_or(0))
            }
            // Out of order for a moment, and for as long as one job asks.
            ("SUMS", 0) | ("LATE", 0..=3) => Reply::new(503),
            ("SUMS" | "LATE", _) => Reply::new(200).body(sums.as_bytes()),
            ("ENDLESS", _) => Reply::new(200).endless(),
            _ => Reply::new(404),
        }
    })
    .await;
    let site = Site::new(patient()).await;
    let add = async |name: &str, file: &str, sums: &str| {
        site.fetched(NewImage {
            name: name.into(),
            checksums_url: Some(source.url(sums)),
            ..new(source.url(file))
        })
        .await
    };
    let image = add("named", "disk.raw", "SUMS").await;
    assert_eq!(image.state, ImageState::Ready, "{:?}", image.reason);
    assert!(image.verified);
    assert_eq!(image.sha256, Some(hex::encode(Sha256::digest(&bytes))));
    let unnamed = add("unnamed", "unnamed.raw", "SUMS").await;
    assert_failed(&unnamed, "do not name the file unnamed.raw");
    assert_failed(&add("missing", "disk.raw", "MISSING").await, "answered 404");
    let endless = add("endless", "disk.raw", "ENDLESS").await;
    assert_failed(&endless, "it is no file of checksums");
    // What came is not fetched a second time for the sake of its checksum.
    let late = add("late", "disk.raw", "LATE").await;
    assert_failed(&late, "answered 503");
    let before = source.froms("disk.raw").len();
    assert_eq!(site.retried(&late).await.state, ImageState::Ready);
    assert_eq!(source.froms("disk.raw").len(), before);
}

#[tokio::test]
async fn addresses_of_this_machine_are_asked_only_where_that_is_allowed() {
    let source = Vendor::start(|_| Reply::new(200).body(&disk(12))).await;
    let site = Site::with(Settings::default()).await;
    let port = source.address.port();
    for url in [
        format!("https://127.0.0.1:{port}/disk.raw"),
        format!("https://2130706433:{port}/disk.raw"),
        format!("https://[::ffff:127.0.0.1]:{port}/disk.raw"),
        "https://169.254.169.254/latest/meta-data".into(),
        "https://10.0.0.1/disk.raw".into(),
        format!("http://cloud.debian.org:{port}/disk.raw"),
        "file:///etc/shadow".into(),
    ] {
        for checksums in [false, true] {
            let image = if checksums {
                NewImage {
                    checksums_url: Some(url.clone()),
                    ..new("https://cloud.debian.org/disk.raw".into())
                }
            } else {
                new(url.clone())
            };
            let error = site.add(image).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{url}");
            let field = if checksums { "checksums_url" } else { "url" };
            assert_eq!(error.fields[0].field, field, "{url}: {error}");
        }
    }
    // A name says nothing about where it leads.
    let named = site
        .fetched(new(format!("https://localhost:{port}/disk.raw")))
        .await;
    assert_failed(&named, "allow_local_image_urls");
    assert_eq!(source.connections(), 0);
}

#[tokio::test]
async fn an_image_that_is_being_fetched_stays_until_that_is_cancelled() {
    let bytes = disk(13);
    let source = stops_once(&bytes).await;
    let site = Site::new(patient()).await;
    let (image, job) = site
        .add(with_sum(source.url("disk.raw"), &bytes))
        .await
        .unwrap();
    let error = images::remove(&site.engine, &site.admin, image.id)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    until("it is asked", async || {
        (!source.asked().is_empty()).then_some(())
    })
    .await;
    jobs::cancel(&site.engine, &site.admin, job.id)
        .await
        .unwrap();
    assert_eq!(site.ends(&job).await.state, JobState::Undone);
    let image = site.image(&image).await;
    assert_failed(&image, "Cancelled");

    // Two who try again at once: one does.
    let retry = || images::retry(&site.engine, &site.admin, image.id);
    let both = tokio::join!(retry(), retry());
    let (mut done, refused): (Vec<_>, Vec<_>) =
        [both.0, both.1].into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 1));
    site.ends(&done.remove(0).unwrap()).await;
    assert_eq!(site.image(&image).await.state, ImageState::Ready);

    images::remove(&site.engine, &site.admin, image.id)
        .await
        .unwrap();
    assert_eq!(site.files(), Vec::<String>::new());
    let gone = images::retry(&site.engine, &site.admin, image.id).await;
    assert_eq!(gone.unwrap_err().kind, ErrorKind::NotFound);
}
