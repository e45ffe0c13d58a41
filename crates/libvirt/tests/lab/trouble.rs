//! Daemons that die, and daemons that hang.

use crate::bench::{Bench, eventually};
use bellwether_hypervisor::{Groups, HostEvent, HypervisorError};
use bellwether_model::observed::PowerState;
use std::time::{Duration, Instant};

fn signal(pid: i32, signal: i32) {
    // SAFETY: plain system call on a process this test's lab owns.
    #[allow(unsafe_code)]
    unsafe {
        libc::kill(pid, signal);
    }
}

/// Threads of this process that sit in a call.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// The connection broke, or a new one can't be opened.
fn is_gone(error: &HypervisorError) -> bool {
    matches!(
        error,
        HypervisorError::Unreachable(_) | HypervisorError::NoConnection { .. }
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn libvirtd_is_restarted_under_us() {
    let Some(mut bench) = Bench::up("lvrestart") else {
        return;
    };
    let host = bench.host(0).await;
    let vm = bench.make_vm(&host, "shared").await;
    host.start(vm.uuid).await.unwrap();
    let mut events = host.events();
    signal(bench.libvirtd(0), libc::SIGKILL);
    eventually("the loss is noticed", || async {
        host.sample(Groups::ALL).await.is_err()
    })
    .await;
    let began = Instant::now();
    let down = host.sample(Groups::ALL).await.unwrap_err();
    assert!(is_gone(&down), "{down}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "a lost host must not be waited for"
    );
    println!("{down}");
    bench.repair();
    eventually("it is back", || async {
        host.sample(Groups::ALL).await.is_ok()
    })
    .await;
    // The VM went on without libvirtd, and both connections work again.
    assert_eq!(
        host.power(vm.uuid).await.unwrap(),
        Some(PowerState::Running)
    );
    eventually("control works", || async {
        host.resume(vm.uuid).await.is_ok()
    })
    .await;
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event);
    }
    assert!(seen.contains(&HostEvent::Disconnected), "{seen:?}");
    assert!(seen.contains(&HostEvent::Reconnected), "{seen:?}");
    // Events come through the new connection too.
    let mut events = host.events();
    host.force_off(vm.uuid).await.unwrap();
    eventually("an event after the restart", || {
        let event = events.try_recv();
        async move { event == Ok(HostEvent::Lifecycle(vm.uuid)) }
    })
    .await;
    bench.remove(&[&host], &vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libvirtd_hangs() {
    let Some(bench) = Bench::up("lvhang") else {
        return;
    };
    let host = bench.host(0).await;
    let other = bench.host(1).await;
    let libvirtd = bench.libvirtd(0);
    let before = threads();
    signal(libvirtd, libc::SIGSTOP);
    let began = Instant::now();
    // Many questions at once: all are answered, none waits for ever, and threads stay few.
    let questions: Vec<_> = (0..40)
        .map(|_| {
            let host = std::sync::Arc::clone(&host);
            tokio::spawn(async move { host.sample(Groups::ALL).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let during = threads();
    other.sample(Groups::ALL).await.unwrap();
    for question in questions {
        let said = question.await.unwrap().unwrap_err();
        assert!(said.is_passing(), "{said}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    assert!(during <= before + 16, "{before} threads, then {during}");
    eventually("keepalive notices", || async {
        let began = Instant::now();
        let said = host.sample(Groups::ALL).await;
        matches!(said, Err(error) if is_gone(&error)) && began.elapsed() < Duration::from_secs(1)
    })
    .await;
    println!(
        "after {:?}: {}",
        began.elapsed(),
        host.sample(Groups::ALL).await.unwrap_err()
    );
    // A new connection is refused in time as well.
    let said = crate::bench::connector_connect(bench.uri(0)).await;
    assert!(said.as_ref().is_some_and(is_gone), "{said:?}");
    println!(
        "{} threads before, {during} while hanging, {} now",
        before,
        threads()
    );
    signal(libvirtd, libc::SIGCONT);
    eventually("it is back", || async {
        host.sample(Groups::ALL).await.is_ok()
    })
    .await;
    eventually("the threads are gone", || async { threads() <= before + 8 }).await;
}
