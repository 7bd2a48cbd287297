//! What a user may type: clap's derive types and nothing else. Help, completions and manual pages come
//! from here.
//!
//! Invariants:
//! 1. A flag that was not given is `None` (or `false`): defaults live in `config::settings`, so
//!    that a flag never hides the environment or the settings file.
//! 2. Every setting's flag is global: it may stand before or behind the command.
//!
//! What a value means and whether it fits the others is decided in `config`, not here.

mod accounts;
mod content;
mod settings;

pub(crate) use accounts::{
    AuditArgs, AuditOrder, ExplainArgs, GenKeyArgs, GrantOrder, KeyOrder, MigrateFreshArgs,
    NewKeyArgs, NewUserArgs, PredecessorUserArgs, RoleOrder, RuleArgs, RuleOrder, TokenOrder,
    UserOrder,
};
pub(crate) use content::{ManifestOrder, RepoOrder, TagOrder, UploadOrder};
pub(crate) use settings::{Driver, DurabilityChoice, LogFormat, MissingChoice, SettingFlags};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// A container registry that one person can run and one engineer can understand.
///
/// Without a command it serves. Every value can also come from the environment, from `.env` in the
/// working directory or from `floundr.toml` in the home directory; `floundr config` shows which.
#[derive(Debug, Parser)]
#[command(name = "floundr", version, disable_help_subcommand = false)]
pub(crate) struct Args {
    /// Flags that set something, on every command.
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the registry (what happens without a command)
    Serve,
    /// Look at a registry and change it on a screen with vim's keys
    Tui(TuiArgs),
    /// Print every setting and where its value came from
    Config {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Create an empty repository; pushing to one that does not exist creates it too
    NewRepo {
        /// The repository's name, such as `team/app`
        name: String,
        /// Let anyone pull from it
        #[arg(long)]
        public: bool,
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Give the space back of what nothing needs any more; the server does so by itself, too
    Gc(GcArgs),
    /// Say why a blob or manifest is there: all that keeps it, or when it goes
    Why {
        /// Its digest, such as sha256:9f86d0...
        digest: String,
        /// Print JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Say how much space the repositories take: of their own, shared, and not needed any more
    Du {
        /// Print JSON instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Read everything that is stored, and say what is not as it was put
    Check(CheckArgs),
    /// Restore what was deleted, or list what can be restored
    Undelete(UndeleteArgs),
    /// Copy the store into a directory while it is in use, or bring the copy there up to date
    Backup(BackupArgs),
    /// Make a store out of a backup, in the storage directory, which must be empty
    Restore(RestoreArgs),
    /// Users: who logs in
    User(Ordered<UserOrder>),
    /// Roles: named sets of permissions
    Role(Ordered<RoleOrder>),
    /// Grants: who has which role on which repositories
    Grant(Ordered<GrantOrder>),
    /// API keys: what programs log in with
    Key(Ordered<KeyOrder>),
    /// Rules: public repositories, quotas, immutable tags, by pattern
    Rule(Ordered<RuleOrder>),
    /// Repositories
    Repo(Ordered<RepoOrder>),
    /// Tags
    Tag(Ordered<TagOrder>),
    /// Manifests
    Manifest(Ordered<ManifestOrder>),
    /// Uploads that are not finished
    Upload(Ordered<UploadOrder>),
    /// Show who did what to what, from where, and how it ended
    Audit(AuditArgs),
    /// Say whether somebody may do something with a repository, and why
    Explain(ExplainArgs),
    /// What tokens are signed with
    Token(Ordered<TokenOrder>),
    /// Create a user, who may nothing until a role is granted to them; as user create
    NewUser(PredecessorUserArgs),
    /// Create an API key that may all that its owner may; as key create
    GenKey(GenKeyArgs),
    /// Destroy the store, the accounts and the audit log, and begin anew
    MigrateFresh(MigrateFreshArgs),
    /// Print what makes a shell complete this program's commands and options
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a directory, one of each command
    Man {
        /// Where to; made when it is not there
        directory: PathBuf,
    },
}

/// `floundr tui`.
#[derive(Debug, ClapArgs)]
pub(crate) struct TuiArgs {
    /// The colours [default: the theme of floundr.yml, else what the terminal can show]
    #[arg(long)]
    pub(crate) theme: Option<ThemeChoice>,
    /// Draw lines and bars with ASCII alone
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// Colours of the terminal client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ThemeChoice {
    /// Light text on dark.
    Dark,
    /// Dark text on light.
    Light,
    /// The terminal's own colours.
    Terminal,
    /// None.
    None,
}

/// A command with others below it.
#[derive(Debug, ClapArgs)]
pub(crate) struct Ordered<T: Subcommand> {
    /// What to do
    #[command(subcommand)]
    pub(crate) order: T,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Of a command that takes something away.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct Asked {
    /// Do it without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `floundr gc`.
#[derive(Debug, ClapArgs)]
pub(crate) struct GcArgs {
    /// What else than to collect
    #[command(subcommand)]
    pub(crate) order: Option<GcOrder>,
    /// Remove nothing; list what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make all deletions final first, so that they cannot be undone any more
    #[arg(long)]
    pub(crate) empty_trash: bool,
    /// Take what nothing has linked for so long, such as 0s or 1d [default: --gc-grace]; what a client
    /// was told of less than a lease ago stays all the same
    #[arg(long, value_name = "DURATION")]
    pub(crate) grace: Option<String>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What else can be asked of the collector.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum GcOrder {
    /// Say where the collector stands
    Status,
    /// Remove nothing until it is resumed, over restarts too
    Pause,
    /// Go on after a pause
    Resume,
}

/// `floundr check`.
#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// Write anew what follows from other rows, and remove what nothing needs
    #[arg(long)]
    pub(crate) repair: bool,
    /// Read the pages of the metadata file, too; no server may run
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr undelete`.
#[derive(Debug, ClapArgs)]
pub(crate) struct UndeleteArgs {
    /// What to restore: NAME, NAME:TAG or NAME@DIGEST; without it, deleted repositories are listed
    #[arg(value_name = "WHAT")]
    pub(crate) what: Option<String>,
    /// List the deleted manifests of the repository NAME instead
    #[arg(long)]
    pub(crate) list: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr backup`.
#[derive(Debug, ClapArgs)]
pub(crate) struct BackupArgs {
    /// Where to; an empty directory, or one with a backup of this store
    pub(crate) directory: PathBuf,
    /// Link large blobs instead of copying them: no space, but what damages one damages both
    #[arg(long)]
    pub(crate) hard_links: bool,
    /// Hash again what the directory has, and copy again what is damaged
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr restore`.
#[derive(Debug, ClapArgs)]
pub(crate) struct RestoreArgs {
    /// The directory of the backup
    pub(crate) backup: PathBuf,
    /// Link large blobs instead of copying them: no space, but what damages one damages both
    #[arg(long)]
    pub(crate) hard_links: bool,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
