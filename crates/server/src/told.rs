//! What was done, as a line of the audit log says it: the same on pages and beside graphs.

use crate::pages::view::words::capital;

/// Colour of an audit line's dot.
pub fn tone(action: &str) -> &'static str {
    match action.rsplit('.').next().unwrap_or_default() {
        "made" | "migrated" | "approve" | "place" | "fulfilled" => "good",
        "alarm" | "missing" | "migration_unknown" | "not_made" | "failed" | "leftover" => "bad",
        _ => "",
    }
}

/// What an audit line says, with the verb where its text names only the thing.
pub fn told(action: &str, text: &str) -> String {
    let verb = match action {
        "host.add" | "image.add" => "Added",
        "host.remove" | "image.remove" | "network.remove" | "storage.remove" => "Removed",
        "image.upload" => "Uploaded",
        "image.retry" => "Tried again",
        "network.create" | "storage.create" => "Confirmed",
        "network.change" | "storage.change" => "Changed",
        "storage.prove" => "Proven",
        "request.submit" => "Asked for",
        "request.approve" => "Approved",
        "request.place" => "Placed",
        "request.refuse" => "Refused",
        "request.withdraw" => "Withdrawn",
        "token.create" => "Made",
        "user.state" => "Account",
        "user.role" => "Role",
        "vm.start" => "Started",
        "vm.shutdown" => "Asked to shut down",
        "vm.reboot" => "Asked to reboot",
        "vm.force_off" => "Took the power of",
        "vm.migrate" => "Asked to migrate",
        "vm.delete" => "Asked to delete",
        "vm.gone" => "Deleted",
        _ => return capital(text),
    };
    format!("{verb} {text}")
}
