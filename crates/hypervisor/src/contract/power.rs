//! Defining and switching.

use super::context::{Context, Outcome, ensure, refused};
use crate::HypervisorError::{AlreadyThere, BadDefinition, NoSuchVm, WrongState};
use bellwether_model::{
    Vcpus,
    observed::PowerState::{Running, ShutOff},
    vm::Devices,
};
use uuid::Uuid;

pub(super) async fn defining_twice_is_fine(context: &Context) -> Outcome {
    let definition = context.defined().await?;
    let host = context.host();
    host.define(&definition).await?;
    ensure!(
        host.power(definition.uuid).await? == Some(ShutOff),
        "it is not off"
    );
    let seen = host.describe(definition.uuid).await?;
    ensure!(
        (seen.uuid, &seen.name) == (definition.uuid, &definition.name),
        "another VM: {seen:?}"
    );
    ensure!(
        (seen.vcpus, seen.memory) == (definition.vcpus, definition.memory),
        "other sizes: {seen:?}"
    );
    ensure!(!seen.autostart, "autostart is on: {seen:?}");
    ensure!(
        !seen.snapshots && seen.passthrough.is_empty(),
        "snapshots or devices from nowhere: {seen:?}"
    );
    let volume = &definition.disks[0].volume;
    let disk = seen.disks.first().and_then(|disk| disk.source.as_deref());
    ensure!(
        disk.is_some_and(|source| source.ends_with(volume.as_str())),
        "the disk is not '{volume}': {:?}",
        seen.disks
    );
    let nic = seen.nics.first();
    ensure!(
        nic.is_some_and(|nic| nic.mac == definition.mac.to_string()
            && nic.carrier.as_ref() == Some(&definition.carrier)),
        "another network card: {:?}",
        seen.nics
    );
    Ok(())
}

pub(super) async fn a_name_or_uuid_of_another_is_refused(context: &Context) -> Outcome {
    let first = context.defined().await?;
    let host = context.host();
    let mut second = context
        .prepared(&*host, &context.subject().shared_pool())
        .await?;
    second.name = first.name.clone();
    refused!(host.define(&second).await, AlreadyThere(_));
    ensure!(
        host.power(second.uuid).await?.is_none(),
        "it was defined all the same"
    );
    second.name = context.name("vm");
    second.uuid = first.uuid;
    refused!(host.define(&second).await, AlreadyThere(_));
    let kept = host.describe(first.uuid).await?.name;
    ensure!(kept == first.name, "the first one is now called '{kept}'");
    Ok(())
}

pub(super) async fn a_definition_that_makes_no_sense_is_refused(context: &Context) -> Outcome {
    let host = context.host();
    let mut definition = context
        .prepared(&*host, &context.subject().shared_pool())
        .await?;
    definition.vcpus = Vcpus(0);
    refused!(host.define(&definition).await, BadDefinition(_));
    definition.vcpus = Vcpus(1);
    definition.name = "a/b".into();
    refused!(host.define(&definition).await, BadDefinition(_));
    ensure!(
        host.power(definition.uuid).await?.is_none(),
        "it was defined all the same"
    );
    Ok(())
}

pub(super) async fn starting_and_stopping_twice_is_fine(context: &Context) -> Outcome {
    let vm = context.defined().await?.uuid;
    let host = context.host();
    for _ in 0..2 {
        host.start(vm).await?;
        ensure!(host.power(vm).await? == Some(Running), "it does not run");
    }
    host.resume(vm).await?;
    host.reboot(vm).await?;
    ensure!(
        host.power(vm).await? == Some(Running),
        "it does not run after a reboot"
    );
    for _ in 0..2 {
        host.force_off(vm).await?;
        ensure!(host.power(vm).await? == Some(ShutOff), "it is not off");
    }
    host.start(vm).await?;
    host.force_off(vm).await?;
    for _ in 0..2 {
        host.undefine(vm).await?;
        ensure!(host.power(vm).await?.is_none(), "it is still there");
    }
    Ok(())
}

pub(super) async fn a_running_vm_is_not_undefined(context: &Context) -> Outcome {
    let definition = context.running().await?;
    let host = context.host();
    refused!(host.undefine(definition.uuid).await, WrongState(_));
    // Still defined for good, not only until it stops.
    host.force_off(definition.uuid).await?;
    ensure!(
        host.power(definition.uuid).await? == Some(ShutOff),
        "its definition was lost"
    );
    let disk = &definition.disks[0];
    host.undefine(definition.uuid).await?;
    ensure!(
        host.volume(&disk.pool, &disk.volume).await?.is_some(),
        "the disk went with the definition"
    );
    Ok(())
}

pub(super) async fn a_plain_machine_starts_too(context: &Context) -> Outcome {
    let host = context.host();
    let mut definition = context
        .prepared(&*host, &context.subject().shared_pool())
        .await?;
    definition.devices = Devices::Plain;
    host.define(&definition).await?;
    host.start(definition.uuid).await?;
    ensure!(
        host.power(definition.uuid).await? == Some(Running),
        "it does not run"
    );
    Ok(())
}

pub(super) async fn what_an_off_vm_cannot_do(context: &Context) -> Outcome {
    let vm = context.defined().await?.uuid;
    let host = context.host();
    refused!(host.ask_shutdown(vm).await, WrongState(_));
    refused!(host.reboot(vm).await, WrongState(_));
    refused!(host.resume(vm).await, WrongState(_));
    ensure!(host.screen(vm).await?.is_none(), "it has a screen");
    ensure!(host.addresses(vm).await?.is_empty(), "it has an address");
    ensure!(host.migration_progress(vm).await?.is_none(), "it moves");
    host.abort_migration(vm).await?;
    Ok(())
}

pub(super) async fn an_unknown_vm_is_said_to_be_unknown(context: &Context) -> Outcome {
    let (host, vm) = (context.host(), Uuid::new_v4());
    ensure!(host.power(vm).await?.is_none(), "it has a power state");
    refused!(host.describe(vm).await, NoSuchVm);
    refused!(host.start(vm).await, NoSuchVm);
    refused!(host.resume(vm).await, NoSuchVm);
    refused!(host.ask_shutdown(vm).await, NoSuchVm);
    refused!(host.reboot(vm).await, NoSuchVm);
    refused!(host.force_off(vm).await, NoSuchVm);
    refused!(host.addresses(vm).await, NoSuchVm);
    refused!(host.screen(vm).await, NoSuchVm);
    let ownership = crate::Ownership::default();
    refused!(host.set_ownership(vm, &ownership, "").await, NoSuchVm);
    let spec = context.migration(vm, context.subject().peer_uri());
    refused!(host.migrate(&spec).await, NoSuchVm);
    host.undefine(vm).await?;
    Ok(())
}

pub(super) async fn an_obedient_guest_shuts_down(context: &Context) -> Outcome {
    let vm = context.running().await?.uuid;
    let host = context.host();
    let asked = &host;
    context
        .eventually("the guest shuts down when asked", || async move {
            // A guest that is still booting may miss the button: press again.
            match asked.ask_shutdown(vm).await {
                Ok(()) | Err(WrongState(_)) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(asked.power(vm).await? == Some(ShutOff))
        })
        .await
}
