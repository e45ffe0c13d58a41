//! The days one after the other, on one lab; a second server on it lives through its own meanwhile, and so does a VM that
//! somebody made by hand.

use crate::{asleep, hosts::Hosts, house::House, killed, network, policies, usual};
use std::{net::Ipv4Addr, time::Instant};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_orphaned_doubled_or_lost() {
    let Some(mut hosts) = Hosts::up("bad") else {
        return;
    };
    let began = Instant::now();
    let told = |what: &str| println!("{:4} s: {what}", began.elapsed().as_secs());
    // Each server gives addresses of its own.
    let (mut lower, mut upper) = (hosts.lab.clone(), hosts.lab.clone());
    let [a, b, c, _] = hosts.lab.guests.first.octets();
    lower.guests.last = Ipv4Addr::new(a, b, c, 100);
    upper.guests.first = Ipv4Addr::new(a, b, c, 101);
    let by_hand = hosts.make_by_hand(1);
    let asleep = asleep::fall_asleep(House::open(&upper, "other").await).await;
    let mut house = House::open(&lower, "server").await;
    house.stranger = asleep.vm;
    usual::see_what_is_unmanaged(&house, by_hand).await;
    told("both servers know the lab");
    let vms = killed::while_making(&hosts, &mut house).await;
    told("VMs were made");
    let password = usual::log_in(&house, &vms[0]).await;
    let seen = usual::look_at_screen(&hosts, &house, &vms[0], None).await;
    told("one was logged into and looked at");
    killed::while_moving(&hosts, &mut house, &vms[0]).await;
    usual::look_at_screen(&hosts, &house, &vms[0], Some(seen)).await;
    told("one was moved");
    usual::switch(&hosts, &house, &vms[0], &password).await;
    told("one was switched");
    usual::move_with_disk(&hosts, &house).await;
    told("one was moved with its disk");
    policies::move_by_policy(&hosts, &house, &vms[1]).await;
    told("one was moved by policies");
    network::target_cut_off(&hosts, &house, &vms[1]).await;
    told("a target was cut off");
    network::libvirtd_restarted(&hosts, &house, &vms[1]).await;
    told("libvirtd was restarted");
    let fourth = network::host_dies(&mut hosts, &house).await;
    told("a host died and came back");
    usual::outlive_lease(&hosts, &mut house, &vms[0], &password).await;
    told("a lease ended and was extended");
    killed::while_deleting(&hosts, &mut house, &vms).await;
    let job = house.begin_to_delete(&fourth).await;
    house.end_of(job).await;
    house.tells_the_truth(&hosts).await;
    assert!(house.living().await.is_empty());
    told("all were deleted");
    asleep::wake(&hosts, asleep).await;
    told("the owner of a job woke");
    hosts.by_hand_was_not_touched(1);
}
