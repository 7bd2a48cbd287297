//! `floundr migrate-fresh`
use super::Failure;
use crate::args::MigrateFreshArgs;
use crate::config::Resolved;
pub(crate) fn run(_resolved: &Resolved, args: &MigrateFreshArgs) -> Result<(), Failure> {
    let _x = (args.asked, args.json);
    Ok(())
}
