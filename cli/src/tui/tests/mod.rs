//! Tests of the terminal client: [`pilot`] types keys at the state and answers what it asks for;
//! [`picture`] turns what it draws into text that is compared.

pub(crate) mod picture;
pub(crate) mod pilot;

mod basics;
