//! What is shown, and what keys do to it: no terminal here, so that tests can press keys.

use super::{
    column::Column,
    frame::{Frame, VmRow},
};
use bellwether_api::metrics::Series;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::{BTreeMap, VecDeque};
use uuid::Uuid;

/// Looks that the line of the last minutes shows.
pub const REMEMBERED: usize = 60;

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Vms,
    Hosts,
    /// One VM, by itself.
    Vm(Uuid),
    /// Which keys there are.
    Help,
}

/// What a key asks of whoever runs the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    /// Look at once.
    Look,
    Quit,
}

/// What is shown.
pub struct State {
    pub frame: Frame,
    pub view: View,
    /// Only this host.
    pub host: Option<String>,
    pub sort: Column,
    pub reversed: bool,
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// The chosen VM with its host (one that moves may show on two); it stays chosen wherever the order puts it.
    pub chosen: Option<(Uuid, String)>,
    pub chosen_host: Option<String>,
    /// Rows of the table that fit, as drawn last.
    pub page: usize,
    /// Why the last look failed.
    pub trouble: Option<String>,
    /// The last hour of the VM that is looked into.
    pub past: Option<(Uuid, Vec<Series>)>,
    /// CPU share of each VM at the last looks.
    courses: BTreeMap<Uuid, VecDeque<Option<f64>>>,
}

impl State {
    pub fn new(host: Option<String>, sort: Column, filter: String) -> Self {
        Self {
            frame: Frame::default(),
            view: View::Vms,
            host,
            sort,
            reversed: false,
            filter,
            typing: false,
            chosen: None,
            chosen_host: None,
            page: 10,
            trouble: None,
            past: None,
            courses: BTreeMap::new(),
        }
    }

    pub fn show_hosts(&mut self) {
        self.view = View::Hosts;
    }

    /// A new look.
    pub fn take(&mut self, frame: Frame) {
        let mut courses = std::mem::take(&mut self.courses);
        for vm in &frame.vms {
            // One that shows on two hosts has one course.
            if self.courses.contains_key(&vm.uuid) {
                continue;
            }
            let mut course = courses.remove(&vm.uuid).unwrap_or_default();
            if course.len() == REMEMBERED {
                course.pop_front();
            }
            course.push_back(vm.cpu_share);
            self.courses.insert(vm.uuid, course);
        }
        self.frame = frame;
        self.trouble = None;
    }

    /// CPU share of a VM at the last looks, oldest first.
    pub fn course(&self, vm: Uuid) -> impl Iterator<Item = Option<f64>> {
        self.courses.get(&vm).into_iter().flatten().copied()
    }

    /// The last hour of a VM, where it was asked for.
    pub fn past_of(&self, vm: Uuid) -> Option<&[Series]> {
        let (of, series) = self.past.as_ref()?;
        (*of == vm).then_some(series)
    }

    /// The VMs to be shown, in order.
    pub fn vms(&self) -> Vec<&VmRow> {
        let wanted = self.filter.to_lowercase();
        let holds = |text: &str| text.to_lowercase().contains(&wanted);
        let fits = |vm: &&VmRow| {
            let here = self.host.as_ref().is_none_or(|host| *host == vm.host);
            let named =
                || holds(&vm.name) || holds(&vm.host) || vm.owner.as_deref().is_some_and(holds);
            here && (wanted.is_empty() || named())
        };
        let mut vms: Vec<&VmRow> = self.frame.vms.iter().filter(fits).collect();
        vms.sort_by(|a, b| match self.reversed {
            true => self.sort.order(b, a),
            false => self.sort.order(a, b),
        });
        vms
    }

    /// What a key does.
    pub fn key(&mut self, key: KeyEvent) -> Wish {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Wish::Quit,
                KeyCode::Char('l') => Wish::Look,
                _ => Wish::Nothing,
            };
        }
        if self.typing {
            self.type_filter(key.code);
            return Wish::Nothing;
        }
        match key.code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Char(' ') => return Wish::Look,
            KeyCode::Esc => self.back(),
            KeyCode::Char('/') => {
                self.typing = true;
                self.view = View::Vms;
            }
            KeyCode::Char('?') => self.view = View::Help,
            KeyCode::Char('H') => self.view = View::Hosts,
            KeyCode::Char('V') => self.view = View::Vms,
            KeyCode::Char('r') => self.reversed = !self.reversed,
            KeyCode::Enter => self.enter(),
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-(self.page as isize)),
            KeyCode::PageDown => self.step(self.page as isize),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX),
            KeyCode::Char(letter) => {
                if let Some(column) = Column::ALL
                    .into_iter()
                    .find(|column| column.key() == letter)
                {
                    self.sort = column;
                    self.view = View::Vms;
                }
            }
            _ => {}
        }
        Wish::Nothing
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => {}
        }
    }

    /// Out of what was entered last.
    fn back(&mut self) {
        match self.view {
            View::Vm(_) | View::Help => self.view = View::Vms,
            View::Vms if !self.filter.is_empty() => self.filter.clear(),
            View::Vms if self.host.is_some() => {
                self.host = None;
                self.view = View::Hosts;
            }
            View::Vms | View::Hosts => self.view = View::Vms,
        }
    }

    /// Into the chosen VM, or to the VMs of the chosen host.
    fn enter(&mut self) {
        match self.view {
            View::Vms => {
                let there = self.vms().get(self.place()).map(|vm| vm.uuid);
                if let Some(uuid) = there {
                    self.view = View::Vm(uuid);
                }
            }
            View::Hosts => {
                self.host = self
                    .frame
                    .hosts
                    .get(self.place())
                    .map(|host| host.name.clone());
                self.view = View::Vms;
            }
            View::Vm(_) | View::Help => self.view = View::Vms,
        }
    }

    /// Where the chosen one stands in the table; the first where it is not there.
    pub fn place(&self) -> usize {
        let place = match self.view {
            View::Hosts => {
                let mut hosts = self.frame.hosts.iter();
                hosts.position(|host| Some(&host.name) == self.chosen_host.as_ref())
            }
            _ => {
                let vms = self.vms();
                let chosen = |vm: &&VmRow| {
                    let of = self.chosen.as_ref();
                    of.is_some_and(|(uuid, host)| *uuid == vm.uuid && *host == vm.host)
                };
                vms.iter().position(chosen)
            }
        };
        place.unwrap_or(0)
    }

    fn step(&mut self, by: isize) {
        let place = self.place().saturating_add_signed(by);
        match self.view {
            View::Vms => {
                let vms = self.vms();
                let last = vms.len().saturating_sub(1);
                let there = vms.get(place.min(last));
                self.chosen = there.map(|vm| (vm.uuid, vm.host.clone()));
            }
            View::Hosts => {
                let hosts = &self.frame.hosts;
                let last = hosts.len().saturating_sub(1);
                self.chosen_host = hosts.get(place.min(last)).map(|host| host.name.clone());
            }
            View::Vm(_) | View::Help => {}
        }
    }
}
