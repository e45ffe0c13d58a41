//! Images.

use crate::{
    complete,
    context::Context,
    exit::{Fault, Outcome},
    resolve,
    resolve::MOST,
    text::{bytes, mib, or_dash, or_unknown, parse_disk, parse_memory, words, yes},
    wait::{self, Wait},
};
use bellwether_api::{
    client::Answer,
    image::{Devices, Image, ImageAdded, ImageInput, ImageState, UploadQuery},
};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio_util::io::ReaderStream;

/// What to do with images.
#[derive(Subcommand, Debug)]
#[command(after_help = "Examples:
  bellwether image catalogue
  bellwether image add --from debian-12
  bellwether image add --name Mine --os 'Debian 12' --url https://example.org/mine.qcow2 --sha256 9f86…
  bellwether image upload mine.qcow2 --name Mine --os 'Debian 12'")]
pub enum Command {
    /// Images
    List,
    /// One image
    Show {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::images))]
        image: String,
    },
    /// What vendors publish (admins)
    Catalogue,
    /// Add an image from the catalogue or a URL (admins)
    Add(Add),
    /// Upload an image from this machine (admins)
    Upload(Upload),
    /// Fetch a failed one again (admins)
    Retry {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::images))]
        image: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Remove an image; refused while VMs or open requests use it (admins)
    Remove {
        /// Name or identifier
        #[arg(add = ArgValueCompleter::new(complete::images))]
        image: String,
    },
}

/// An image to add.
#[derive(Args, Debug)]
pub struct Add {
    /// Key of a catalogue entry; everything else is then known
    #[arg(long, value_name = "KEY", required_unless_present = "url")]
    from: Option<String>,
    /// Where to fetch it from
    #[arg(long, conflicts_with = "from", requires = "name", requires = "os")]
    url: Option<String>,
    /// What to call it
    #[arg(long)]
    name: Option<String>,
    /// Operating system in words
    #[arg(long)]
    os: Option<String>,
    /// SHA-256 it must have
    #[arg(long)]
    sha256: Option<String>,
    /// Where the vendor publishes the checksums, instead of --sha256
    #[arg(long, value_name = "URL", conflicts_with = "sha256")]
    checksums_url: Option<String>,
    #[command(flatten)]
    needs: Needs,
    #[command(flatten)]
    wait: Wait,
}

/// What a guest of the image needs.
#[derive(Args, Debug)]
pub struct Needs {
    /// Smallest disk it fits on, with its unit: 3GiB
    #[arg(long, value_parser = parse_disk)]
    min_disk: Option<i64>,
    /// Smallest memory it boots with, with its unit: 256MiB
    #[arg(long, value_parser = parse_memory)]
    min_memory: Option<i64>,
    /// Hardware it knows: virtio, or plain for a bare installer such as Windows'
    #[arg(long)]
    devices: Option<Devices>,
    /// It does not read a cloud-init seed
    #[arg(long)]
    no_cloud_init: bool,
}

/// An image to upload.
#[derive(Args, Debug)]
pub struct Upload {
    /// The file: qcow2 or raw
    file: PathBuf,
    /// What to call it
    #[arg(long)]
    name: String,
    /// Operating system in words
    #[arg(long)]
    os: String,
    /// SHA-256 it must have
    #[arg(long)]
    sha256: Option<String>,
    #[command(flatten)]
    needs: Needs,
}

/// Does it.
pub async fn run(command: Command, cx: &Context) -> Outcome {
    match command {
        Command::List => {
            let answer = cx.client.images(MOST).await?;
            cx.answer(&answer, |list| {
                let mut table = cx.table([
                    "NAME",
                    "OS",
                    "STATE",
                    "SIZE",
                    "LEAST DISK",
                    "LEAST MEMORY",
                    "WHY",
                    "ID",
                ]);
                for image in &list.items {
                    table.row([
                        image.name.clone(),
                        image.os.clone(),
                        state(image),
                        or_dash(image.file_bytes, |size| bytes(size as f64)),
                        format!("{} GiB", image.min_disk_gib),
                        mib(image.min_memory_mib),
                        or_dash(image.reason.as_ref(), Clone::clone),
                        image.id.to_string(),
                    ]);
                }
                table.show("No images yet. See what can be added with: bellwether image catalogue")
            })
        }
        Command::Show { image } => {
            let id = resolve::image(cx, &image).await?;
            print(cx, &cx.client.image(id).await?)
        }
        Command::Catalogue => {
            let answer = cx.client.catalogue().await?;
            cx.answer(&answer, |list| {
                let mut table =
                    cx.table(["KEY", "NAME", "OS", "LEAST DISK", "LEAST MEMORY", "FROM"]);
                for entry in &list.items {
                    table.row([
                        entry.key.clone(),
                        entry.name.clone(),
                        entry.os.clone(),
                        format!("{} GiB", entry.min_disk_gib),
                        mib(entry.min_memory_mib),
                        entry.url.clone(),
                    ]);
                }
                table.show("The catalogue is empty.")
            })
        }
        Command::Add(args) => add(args, cx).await,
        Command::Upload(args) => upload(args, cx).await,
        Command::Retry { image, wait } => {
            let id = resolve::image(cx, &image).await?;
            fetched(cx, wait, cx.client.retry_image(id).await?).await
        }
        Command::Remove { image } => {
            let id = resolve::image(cx, &image).await?;
            let answer = cx.client.remove_image(id).await?;
            cx.answer(&answer, |()| format!("{image} is removed."))
        }
    }
}

async fn add(args: Add, cx: &Context) -> Outcome {
    let input = ImageInput {
        from_catalogue: args.from,
        name: args.name,
        os: args.os,
        url: args.url,
        sha256: args.sha256,
        checksums_url: args.checksums_url,
        min_disk_gib: args.needs.min_disk,
        min_memory_mib: args.needs.min_memory,
        devices: args.needs.devices,
        cloud_init: args.needs.no_cloud_init.then_some(false),
    };
    fetched(cx, args.wait, cx.client.add_image(&input).await?).await
}

async fn fetched(cx: &Context, wait: Wait, answer: Answer<ImageAdded>) -> Outcome {
    match &answer.job {
        Some(job) => {
            let done = format!("{} is ready.", answer.image.name);
            wait::finish(cx, wait, job.id, &answer.text, &done).await
        }
        None => cx.answer(&answer, |added| {
            format!("{} is {}.", added.image.name, words(added.image.state))
        }),
    }
}

async fn upload(args: Upload, cx: &Context) -> Outcome {
    let unreadable =
        |e: io::Error| Fault::usage(format!("Can't read {}: {e}.", args.file.display()));
    let file = tokio::fs::File::open(&args.file)
        .await
        .map_err(unreadable)?;
    let meta = file.metadata().await.map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Fault::usage(format!("{} is no file.", args.file.display())));
    }
    let query = UploadQuery {
        name: args.name,
        os: args.os,
        sha256: args.sha256,
        min_disk_gib: args.needs.min_disk,
        min_memory_mib: args.needs.min_memory,
        devices: args.needs.devices,
        cloud_init: args.needs.no_cloud_init.then_some(false),
    };
    let stream = ReaderStream::with_capacity(file, 256 << 10);
    let meter = meter(meta.len());
    let ended = cx
        .client
        .upload_image(&query, meta.len(), stream, meter)
        .await;
    if io::stderr().is_terminal() {
        eprint!("\r\u{1b}[2K");
    }
    print(cx, &ended?)
}

/// Progress of an upload on a terminal; elsewhere nothing.
fn meter(total: u64) -> impl Fn(u64) + Send + Sync {
    let terminal = io::stderr().is_terminal();
    let shown = AtomicU64::new(u64::MAX);
    move |sent| {
        let percent = (sent.saturating_mul(100)).checked_div(total).unwrap_or(100);
        if terminal && shown.swap(percent, Ordering::Relaxed) != percent {
            let what = if sent < total {
                "Uploading"
            } else {
                "Sent; being verified"
            };
            let mut stderr = io::stderr().lock();
            let _ = write!(
                stderr,
                "\r\u{1b}[2K{what}: {percent} %, {} of {}",
                bytes(sent as f64),
                bytes(total as f64)
            );
            let _ = stderr.flush();
        }
    }
}

/// The state, and whether nobody but its source says that it is what it claims to be.
fn state(image: &Image) -> String {
    let unverified = image.state == ImageState::Ready && !image.verified;
    format!(
        "{}{}",
        words(image.state),
        if unverified { ", unverified" } else { "" }
    )
}

fn print(cx: &Context, answer: &Answer<Image>) -> Outcome {
    let shown = |text: &Option<String>| or_dash(text.as_ref(), Clone::clone);
    cx.answer(answer, |image| {
        let mut sheet = cx.sheet();
        sheet
            .line("Image", &image.name)
            .line("OS", &image.os)
            .line("State", state(image))
            .maybe("Why", image.reason.as_deref())
            .line("From", shown(&image.url))
            .line("SHA-256", shown(&image.sha256))
            .line(
                "File",
                or_unknown(image.file_bytes, |size| bytes(size as f64)),
            )
            .line(
                "Disk inside",
                or_unknown(image.virtual_bytes, |size| bytes(size as f64)),
            )
            .line("Format", or_unknown(image.format, words))
            .line(
                "Needs",
                format!(
                    "{} GiB disk, {} memory",
                    image.min_disk_gib,
                    mib(image.min_memory_mib)
                ),
            )
            .line("Devices", words(image.devices))
            .line("cloud-init", yes(image.cloud_init))
            .line("Added", image.created_at.to_string())
            .line("Identifier", image.id.to_string());
        sheet.show()
    })
}
