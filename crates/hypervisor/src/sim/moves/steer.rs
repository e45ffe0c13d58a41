//! What can be changed of a move that is under way.

use super::{HAND_OVER, Move};
use crate::{
    HypervisorError, Result,
    sim::world::{Due, World},
};
use bellwether_model::observed::PowerState;
use std::time::Duration;
use uuid::Uuid;

/// QEMU's auto-converge: a fifth of the guest's time first, then a tenth more each time, 99 % at most.
const HELD_FIRST: f64 = 0.2;
const HELD_MORE: f64 = 0.1;
const HELD_MOST: f64 = 0.99;

impl Move {
    /// Holds the guest back more where it wrote more than half of what was sent, twice.
    pub(super) fn hold_back(&mut self, wrote: f64) {
        if !self.spec.throttle {
            return;
        }
        if wrote > self.round_bytes / 2.0 {
            self.much += 1;
        }
        if self.much >= 2 {
            self.much = 0;
            let more = if self.held == 0.0 {
                HELD_FIRST
            } else {
                HELD_MORE
            };
            self.held = (self.held + more).min(HELD_MOST);
        }
    }
}

impl World {
    /// Stops what may be stopped: a move in post-copy has no way back.
    pub fn abort_move(&mut self, host: &str, vm: Uuid) -> Result<()> {
        let Some(id) = self.move_from(host, vm) else {
            return Ok(());
        };
        if self.moves[&id].switched {
            return Err(HypervisorError::WrongState(
                "it is in post-copy, which can't be cancelled".into(),
            ));
        }
        self.give_up(id, Err(HypervisorError::Cancelled));
        Ok(())
    }

    /// From now on the guest may stand still this long; where what is left fits, it is handed over at once.
    pub fn set_longest_pause(&mut self, host: &str, vm: Uuid, milliseconds: u32) {
        let now = self.now;
        let token = self.token();
        let Some(mv) = self
            .move_from(host, vm)
            .and_then(|id| self.moves.get_mut(&id))
        else {
            return;
        };
        mv.longest_pause = f64::from(milliseconds) / 1e3;
        let left = mv.round_bytes - mv.through(now);
        // Of the first round QEMU has first to see what was written meanwhile.
        let over = mv.round > 1 && left / mv.rate <= mv.longest_pause;
        if !over || mv.standing.is_some() || mv.switched || mv.lost.is_some() {
            return;
        }
        mv.round_bytes -= left;
        mv.carried = left;
        mv.token = token;
        self.due_now(host, vm, token);
    }

    /// From now on it takes so much of the link at most.
    pub fn set_bandwidth(&mut self, host: &str, vm: Uuid, mib: u64) {
        let now = self.now;
        let token = self.token();
        let Some(id) = self.move_from(host, vm) else {
            return;
        };
        let link = self.link_of(id);
        let Some(mv) = self.moves.get_mut(&id) else {
            return;
        };
        if mv.standing.is_some() || mv.lost.is_some() {
            return;
        }
        let through = mv.through(now);
        mv.sent += through;
        mv.round_bytes -= through;
        mv.round_started = now;
        mv.rate = link.min(mib.max(1) as f64 * 1_048_576.0);
        mv.token = token;
        let end = now + Duration::from_secs_f64((mv.round_bytes / mv.rate).max(0.001));
        self.at(end, Due::Move { id, token });
    }

    /// The guest goes on at the target, with what is left of its memory on the way.
    pub fn start_post_copy(&mut self, host: &str, vm: Uuid) -> Result<()> {
        let now = self.now;
        let token = self.token();
        let Some(id) = self.move_from(host, vm) else {
            return Ok(());
        };
        let mv = &self.moves[&id];
        if !mv.spec.post_copy {
            return Err(HypervisorError::WrongState(
                "its move was not begun with post-copy".into(),
            ));
        }
        if mv.switched || mv.standing.is_some() || mv.paused {
            return Ok(());
        }
        let target = mv.target.clone();
        self.count(host)?;
        self.vm(host, vm)?.power = PowerState::Paused;
        let there = self.vm(&target, vm)?;
        (there.incoming, there.power) = (false, PowerState::Running);
        if let Some(live) = &mut there.live {
            live.counted = now;
            live.begin_anew();
        }
        let Some(mv) = self.moves.get_mut(&id) else {
            return Ok(());
        };
        mv.switched = true;
        mv.token = token;
        let left = mv.round_bytes - mv.through(now);
        let end = now + HAND_OVER + Duration::from_secs_f64(left / mv.rate);
        self.at(end, Due::Move { id, token });
        Ok(())
    }

    /// A part of the memory is on either host: the guest stands still on both.
    pub(super) fn break_post_copy(&mut self, mut mv: Move, end: Result<()>) {
        for host in [mv.source.clone(), mv.target.clone()] {
            if let Ok(there) = self.vm(&host, mv.vm)
                && there.live.is_some()
            {
                there.power = PowerState::Paused;
            }
            self.emit(&host, crate::HostEvent::Lifecycle(mv.vm));
        }
        mv.answer(end);
    }

    /// What the thinner link of a move carries, bytes a second.
    fn link_of(&mut self, id: u64) -> f64 {
        let Some((source, target)) = self
            .moves
            .get(&id)
            .map(|mv| (mv.source.clone(), mv.target.clone()))
        else {
            return 1.0;
        };
        let mut of = |host: &str| self.machine(host).map_or(1, |machine| machine.link_mib_s);
        of(&source).min(of(&target)).max(1) as f64 * 1_048_576.0
    }

    fn due_now(&mut self, host: &str, vm: Uuid, token: u64) {
        if let Some(id) = self.move_from(host, vm) {
            let at = self.now;
            self.at(at, Due::Move { id, token });
        }
    }
}
