//! Who acts. Permission is a handle one holds: what only admins may do takes an [`Admin`], and the only way to one is
//! through an admin's [`Actor`].

use bellwether_model::{
    Error, Result, UserId,
    people::{Role, User},
};
use std::ops::Deref;

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub user: UserId,
    /// Their login, for the audit log.
    pub login: String,
    /// What they may do.
    pub role: Role,
}

impl Actor {
    /// The actor that `user` is.
    pub fn of(user: &User) -> Self {
        Self {
            user: user.id,
            login: user.login.clone(),
            role: user.role,
        }
    }
    /// Whether this is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
    /// The handle that admins' functions take.
    pub fn admin(&self) -> Result<Admin> {
        if self.is_admin() {
            Ok(Admin(self.clone()))
        } else {
            Err(Error::forbidden("Only an administrator can do this."))
        }
    }
    /// Fails with `NotFound` where the thing belongs to somebody else: that it exists is none of their business.
    pub fn may_see(&self, owner: UserId, what: &str) -> Result<()> {
        if self.is_admin() || self.user == owner {
            Ok(())
        } else {
            Err(Error::not_found(what))
        }
    }
}

/// An admin; made by [`Actor::admin`] only.
#[derive(Clone, Debug)]
pub struct Admin(Actor);

impl Deref for Admin {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}
