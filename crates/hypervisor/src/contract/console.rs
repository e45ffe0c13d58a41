//! Getting in.

use super::context::{Context, Outcome, ensure};

pub(super) async fn a_screen_has_a_port_and_takes_a_password(context: &Context) -> Outcome {
    let vm = context.running().await?.uuid;
    let host = context.host();
    let screen = host.screen(vm).await?;
    ensure!(
        screen
            .as_ref()
            .is_some_and(|(address, port)| !address.is_empty() && *port >= 1_024),
        "no screen: {screen:?}"
    );
    // Long past and far ahead are both fine for the host; what counts is whose clock.
    host.set_screen_password(vm, "s3cr<&\"t", 4_102_444_800)
        .await?;
    host.set_screen_password(vm, "again", 4_102_444_800).await?;
    let long = host
        .set_screen_password(vm, "123456789", 4_102_444_800)
        .await;
    ensure!(
        long.is_err(),
        "a password of nine characters was taken and cut"
    );
    Ok(())
}

pub(super) async fn the_address_becomes_known(context: &Context) -> Outcome {
    let definition = context.running().await?;
    let (host, wanted) = (context.host(), context.subject().guest_address());
    let asked = &host;
    context
        .eventually("the guest's address is known", || async move {
            let known = asked.addresses(definition.uuid).await?;
            Ok(wanted.is_some_and(|address| known.contains(&address)))
        })
        .await
}
