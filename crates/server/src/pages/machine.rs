//! One machine: what it does, its graphs, and what may be done with it.

use super::{
    alerts,
    gather::{self, Wanted},
    machines::{ends_soon, ssh_line},
    site::{Visit, again, done, job_words, show, typed_wrong},
    typed::Typed,
    view::{
        Form, Reading,
        chart::Unit,
        machines::{self as view, RunningJob, Screen},
        timeline::Timeline,
        words,
    },
};
use crate::{
    alarms::alarms,
    error::Result,
    extract::{Path, Query},
    graphed::{
        Graphed, marks,
        stretch::{Stretch, StretchQuery},
    },
    names::Directory,
};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::{Engine, console, delete, expire, power, secrets};
use bellwether_model::{
    Error, VmId,
    observed::Reach,
    signal,
    vm::{Vm, VmState},
};
use secrecy::ExposeSecret;

/// What an act on the page adds to it.
#[derive(Default)]
struct Added {
    act: Form,
    extend: Option<Form>,
    delete: Option<Form>,
    force: Option<Form>,
    password: Option<String>,
    screen: Option<Screen>,
}

async fn of_visit(visit: &Visit, id: VmId) -> Result<Vm> {
    let store = visit.engine().store();
    let vm = store.vm_of(&*store.records().await?, id).await?;
    visit.actor.may_see(vm.owner, "VM")?;
    Ok(vm)
}

async fn page(visit: &Visit, vm: Vm, asked: &StretchQuery, added: Added) -> Result<view::Vm> {
    let (engine, store) = (visit.engine(), visit.engine().store());
    let admin = visit.actor.is_admin();
    let look = engine.look().await?;
    let records = &look.records;
    let names = Directory::of(records.clone());
    let policy = &records.policy;
    let owner = match records.user(vm.owner) {
        Some(owner) => owner.clone(),
        None => store.user(vm.owner).await?,
    };
    let image = match records.image(vm.image) {
        Some(image) => image.clone(),
        // Of a machine that is gone.
        None => store.image(vm.image).await?,
    };
    let own = vm.owner == visit.actor.user;
    let has_password = own && store.first_passwords(vm.owner).await?.contains(&vm.id);
    let jobs = store.open_jobs().await?;
    let job = match jobs.iter().find(|job| job.subject.vm == Some(vm.id)) {
        None => None,
        Some(job) => Some(RunningJob {
            href: format!("/jobs/{}", job.id),
            text: job_words(engine, &names, job).await?,
            doing: if job.progress.doing.is_empty() {
                "about to begin".into()
            } else {
                job.progress.doing.clone()
            },
            percent: job.progress.share.map(|share| (share * 100.0) as u32),
        }),
    };
    let (now, today) = (engine.now(), engine.today());
    let host_seen = look.observed.hosts.get(&vm.host);
    let age = words::stale_age(
        host_seen.and_then(|seen| seen.at),
        now,
        engine.settings().period,
    );
    let alarm = alarms(&look, &names).remove(&vm.id).map(|text| {
        if admin {
            text
        } else {
            "It shows on more than one host at the same time. Nothing is done to it until an administrator has looked.".into()
        }
    });
    let stretch = Stretch::of(asked, now, Some(&vm), engine.zone()).as_kept(engine);
    let graphed = Graphed::Vm(&vm);
    let marks = marks::of(engine, graphed, stretch.from, stretch.to.min(now)).await?;
    let graphs = gather::graphs(engine, graphed, &stretch, wanted(engine, &vm), &marks).await?;
    let from = if vm.lease_until < today {
        today
    } else {
        bellwether_decide::request::days_after(vm.lease_until, 1)
    };
    let latest = bellwether_decide::request::days_after(today, policy.max_lease_days.max(1) - 1);
    let over = matches!(vm.state, VmState::Gone | VmState::Deleting);
    let may_extend = !over && (admin || policy.users_may_extend) && (admin || from <= latest);
    let mut extend = added.extend.unwrap_or_default();
    extend.default_to(
        "until",
        bellwether_decide::request::days_after(vm.lease_until.max(today), 30).min(latest.max(from)),
    );
    let may_force = matches!(vm.state, VmState::Running | VmState::Paused);
    // Where the box it came from is not offered (any more), it is said above the page.
    let (act, force) = match added.force {
        Some(form) if !may_force => (form, Form::default()),
        form => (added.act, form.unwrap_or_default()),
    };
    let host_name = gather::or_removed(names.host(vm.host), "host");
    let left = words::days_left(vm.lease_until, today);
    Ok(view::Vm {
        frame: visit
            .page(vm.name.clone(), if own { "/machines" } else { "/vms" })
            .await?,
        alerts: alerts::about(visit, vm.id.0).await?,
        id: vm.id.to_string(),
        badge: vm.state.into(),
        note: vm.note.clone(),
        alarm,
        admin,
        owner: format!("{} ({})", owner.full_name, owner.login),
        job,
        address: vm.address.to_string(),
        reach: match engine.reach(vm.id) {
            _ if vm.state != VmState::Running => "",
            Reach::Yes => " · its guest was seen there",
            Reach::No => " · its guest has another address",
            Reach::Unknown => " · whether its guest is reachable is not known",
        },
        ssh: image.cloud_init.then(|| ssh_line(&owner.login, &vm)),
        key_words: if !image.cloud_init {
            "this system takes no seed: set it up at its screen".into()
        } else if has_password {
            "with the first password".into()
        } else {
            "with the key or the first password you were given".into()
        },
        has_password,
        password: added.password,
        screen: added.screen,
        lease: gather::period_words(vm.lease_from, vm.lease_until),
        left: if left > 0 {
            Reading::new(left.to_string(), if left == 1 { "day" } else { "days" })
        } else {
            Reading::new("0", "days")
        },
        ends_soon: ends_soon(&vm, today, policy),
        end_words: if left > 0 {
            "After the last day it is shut down and kept.".into()
        } else {
            format!(
                "{}. It is kept, shut down, until it is extended or deleted.",
                words::capital(&words::days_left_text(vm.lease_until, today))
            )
        },
        extend_until: may_extend.then(|| {
            if admin {
                String::new()
            } else {
                latest.to_string()
            }
        }),
        extend,
        timeline: Timeline::new(&stretch, true, graphs, &marks, now, engine.zone()),
        sampled_topic: if admin {
            format!("sampled:{}", vm.host)
        } else {
            "sampled".into()
        },
        calm: engine.settings().period.as_secs(),
        sampled: sampled_words(
            host_seen.and_then(|seen| seen.at),
            now,
            age.is_some(),
            engine.settings().period,
        ),
        facts: vec![
            ("Size", gather::size_words(vm.vcpus, vm.memory, vm.disk)),
            ("System", image.os),
            ("Host name", vm.hostname.clone()),
            (
                "Network",
                format!(
                    "{}, Ethernet {}",
                    gather::or_removed(names.network(vm.network), "network"),
                    vm.mac
                ),
            ),
            (
                "Storage",
                gather::or_removed(names.storage(vm.storage), "storage"),
            ),
            ("Made", words::moment(vm.created_at, engine.zone())),
            ("Identifier", vm.id.to_string()),
        ],
        host: admin.then(|| (host_name, format!("/hosts/{}", vm.host))),
        purpose: vm.purpose.clone(),
        acts: acts(vm.state),
        may_force,
        act,
        force,
        may_screen: may_force,
        may_migrate: admin && vm.state == VmState::Running,
        may_delete: !over && !matches!(vm.state, VmState::Migrating),
        delete: added.delete.unwrap_or_default(),
        history: gather::history(engine, "vm", vm.id, 30).await?,
        over,
        name: vm.name,
    })
}

/// "Sampled 4 s ago, every 10 s."
pub fn sampled_words(
    at: Option<bellwether_model::Timestamp>,
    now: bellwether_model::Timestamp,
    stale: bool,
    period: std::time::Duration,
) -> String {
    match at {
        None => "Not sampled yet.".into(),
        Some(at) if stale => format!(
            "Last sampled {}; the host does not answer in time.",
            words::ago(at, now)
        ),
        Some(at) => format!(
            "Sampled {}, every {}.",
            words::ago(at, now),
            words::duration(period)
        ),
    }
}

fn wanted(engine: &Engine, vm: &Vm) -> Vec<Wanted> {
    let (period, paces) = (engine.settings().period, engine.settings().paces);
    vec![
        Wanted {
            id: ("cpu", "CPU"),
            unit: Unit::Share,
            signals: &[
                (signal::vm::CPU, "in use"),
                (signal::vm::CONTENTION, "waited for"),
            ],
            scale: 1.0 / f64::from(vm.vcpus.0.max(1)),
            ceiling: Some(1.0),
            every: period,
            silent: gather::NO_SAMPLES,
        },
        Wanted {
            id: ("memory", "Memory"),
            unit: Unit::Bytes,
            signals: &[(signal::vm::MEMORY, "used by the guest")],
            scale: 1_048_576.0,
            ceiling: Some(vm.memory.bytes() as f64),
            every: paces.memory,
            silent: "Unknown: the guest's balloon reports nothing.",
        },
        Wanted {
            id: ("disk", "Disk"),
            unit: Unit::Rate,
            signals: &[
                (signal::vm::DISK_READ, "read"),
                (signal::vm::DISK_WRITE, "written"),
            ],
            scale: 1.0,
            ceiling: None,
            every: paces.disks,
            silent: gather::NO_SAMPLES,
        },
        Wanted {
            id: ("net", "Network"),
            unit: Unit::Rate,
            signals: &[
                (signal::vm::NET_RX, "received"),
                (signal::vm::NET_TX, "sent"),
            ],
            scale: 1.0,
            ceiling: None,
            every: period,
            silent: gather::NO_SAMPLES,
        },
    ]
}

fn acts(state: VmState) -> Vec<(&'static str, &'static str, &'static str)> {
    match state {
        VmState::Running => vec![
            ("shutdown", "Shut down", "Asks the guest to stop"),
            ("reboot", "Reboot", "Asks the guest to start again"),
        ],
        VmState::ShutOff => vec![("start", "Start", "Switches it on")],
        VmState::Paused => vec![("start", "Resume", "Lets it go on")],
        _ => Vec::new(),
    }
}

pub async fn one(
    visit: Visit,
    Path(id): Path<VmId>,
    Query(asked): Query<StretchQuery>,
) -> Result<Response> {
    let vm = of_visit(&visit, id).await?;
    show(&page(&visit, vm, &asked, Added::default()).await?)
}

pub async fn power(visit: Visit, Path(id): Path<VmId>, typed: Typed) -> Result<Response> {
    let (action, said) = match typed.get("action").as_str() {
        "start" => (power::PowerAction::Start, "It is being started."),
        "shutdown" => (
            power::PowerAction::Shutdown,
            "Its guest was asked to shut down.",
        ),
        "reboot" => (power::PowerAction::Reboot, "Its guest was asked to reboot."),
        "force_off" => (
            power::PowerAction::ForceOff,
            "Its power is being taken away.",
        ),
        other => {
            return Err(Error::field(
                "action",
                format!(
                    "'{}' is none of: start, shutdown, reboot, force_off",
                    bellwether_model::text::shown(other)
                ),
            )
            .into());
        }
    };
    let vm = of_visit(&visit, id).await?;
    let forced = action == power::PowerAction::ForceOff;
    let asked = match typed.names(&vm.name) {
        Err(error) if forced => Err(error),
        _ => power::ask(visit.engine(), &visit.actor, id, action).await,
    };
    match asked {
        Ok(_) => Ok(done(&format!("/vms/{id}"), said)),
        Err(error) => {
            let error = typed_wrong(error)?;
            let added = if forced {
                Added {
                    force: Some(typed.form().refused(&error)),
                    ..Added::default()
                }
            } else {
                Added {
                    act: Form::default().failed(&error),
                    ..Added::default()
                }
            };
            again(&page(&visit, vm, &StretchQuery::default(), added).await?)
        }
    }
}

pub async fn extend(visit: Visit, Path(id): Path<VmId>, typed: Typed) -> Result<Response> {
    let vm = of_visit(&visit, id).await?;
    let extended = match bellwether_decide::request::day(Some(&typed.get("until"))) {
        Err(message) => Err(Error::field("until", message)),
        Ok(day) => expire::extend(visit.engine(), &visit.actor, id, day).await,
    };
    match extended {
        Ok(vm) => Ok(done(
            &format!("/vms/{id}"),
            &format!("Extended until {}.", words::day(vm.lease_until)),
        )),
        Err(error) => {
            let added = Added {
                extend: Some(typed.form().refused(&typed_wrong(error)?)),
                ..Added::default()
            };
            again(&page(&visit, vm, &StretchQuery::default(), added).await?)
        }
    }
}

pub async fn password(visit: Visit, Path(id): Path<VmId>) -> Result<Response> {
    let vm = of_visit(&visit, id).await?;
    let password = secrets::take_first_password(visit.engine(), &visit.actor, id).await?;
    let Some(password) = password else {
        return Ok(done(
            &format!("/vms/{id}"),
            "There is no first password any more: it was shown before, or a key was given.",
        ));
    };
    let added = Added {
        password: Some(password.expose_secret().to_string()),
        ..Added::default()
    };
    show(&page(&visit, vm, &StretchQuery::default(), added).await?)
}

pub async fn screen(visit: Visit, Path(id): Path<VmId>) -> Result<Response> {
    let vm = of_visit(&visit, id).await?;
    let access = match console::screen_password(visit.engine(), &visit.actor, id).await {
        Ok(access) => access,
        Err(error) => {
            let added = Added {
                act: Form::default().failed(&typed_wrong(error)?),
                ..Added::default()
            };
            return again(&page(&visit, vm, &StretchQuery::default(), added).await?);
        }
    };
    let screen = Screen {
        place: format!("{} ({}:{})", access.host, access.address, access.port),
        password: access.password.expose_secret().to_string(),
        until: words::clock(access.until, visit.engine().zone()),
    };
    let added = Added {
        screen: Some(screen),
        ..Added::default()
    };
    show(&page(&visit, vm, &StretchQuery::default(), added).await?)
}

pub async fn remove(visit: Visit, Path(id): Path<VmId>, typed: Typed) -> Result<Response> {
    let vm = of_visit(&visit, id).await?;
    match delete::ask(visit.engine(), &visit.actor, id, &typed.get("name")).await {
        Ok(job) => Ok(done(
            &format!("/jobs/{}", job.id),
            &format!("{} is being deleted.", vm.name),
        )),
        Err(error) => {
            let added = Added {
                delete: Some(typed.form().refused(&typed_wrong(error)?)),
                ..Added::default()
            };
            again(&page(&visit, vm, &StretchQuery::default(), added).await?)
        }
    }
}
