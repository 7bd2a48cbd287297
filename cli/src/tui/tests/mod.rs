//! Tests of the terminal client: [`pilot`] types keys at the state and answers what it asks for;
//! [`picture`] turns what it draws into text that is compared; [`real`] drives it against a real server.

pub(crate) mod picture;
pub(crate) mod pilot;

pub(crate) mod real;

mod basics;
mod chaos;
mod docs;
mod entry;
mod journey;
mod meanwhile;
mod over_the_wire;
mod panes;
mod silence;
