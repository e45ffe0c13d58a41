//! `bellwether-guest`: what runs inside the test image. It loads drivers, makes the guest what its seed says, and then
//! answers: an echo on TCP port 7, commands on TCP port 9 and on the serial console, a heartbeat on the serial console
//! once a second. It has no dependencies, because it is built on its own, linked statically, into the lab program.

mod agent;
mod apply;
mod disks;
mod load;
mod seed;
mod serve;
mod system;
mod yaml;

fn main() {
    system::load_modules("base");
    system::say("booting");
    let boot_disk = disks::boot_partition();
    let seed_disk = disks::seed();
    let seed = seed_disk
        .as_deref()
        .map(disks::read_seed)
        .unwrap_or_default();
    // Network and answers first: that is what others wait for.
    let machine = apply::machine(&seed);
    serve::start();
    for complaint in &seed.complaints {
        system::say(&format!("seed: {complaint}"));
    }
    let boots = boot_disk.as_deref().map_or(1, disks::count_boot);
    system::say(&format!("ready {} boots={boots}", machine.describe()));
    std::thread::spawn(move || {
        if apply::users(&seed) {
            apply::start_ssh(boot_disk.as_deref());
        }
    });
    serve::heartbeat(&machine);
}
