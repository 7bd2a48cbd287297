//! The commands about who may do what: users, roles, grants, keys, rules, tokens, the audit log.

use super::Asked;
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// What can be done with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserOrder {
    /// List the users
    List {
        /// Only those with this text in their name
        #[arg(long)]
        filter: Option<String>,
    },
    /// Show a user: groups, grants and keys
    Show {
        /// Their name
        user: String,
    },
    /// Create a user, who may nothing until a role is granted to them
    Create(NewUserArgs),
    /// Set a user's password, or your own on a server elsewhere
    Passwd {
        /// Whose; without it your own, which asks for the old one too
        user: Option<String>,
        /// Read it from standard input: one line, or the old and the new one on two
        #[arg(long)]
        password_stdin: bool,
    },
    /// Set the groups of a user
    Groups {
        /// Their name
        user: String,
        /// The groups they are in from now on; without one, in none
        groups: Vec<String>,
    },
    /// Let a user in no more, by password, key or token
    Disable {
        /// Their name
        user: String,
    },
    /// Let a disabled user in again
    Enable {
        /// Their name
        user: String,
    },
    /// Delete a user, with their keys and grants
    Delete {
        /// Their name
        user: String,
        #[command(flatten)]
        asked: Asked,
    },
}

/// `floundr user create`.
#[derive(Debug, ClapArgs)]
pub(crate) struct NewUserArgs {
    /// What they are called: a name or an e-mail address
    pub(crate) user: String,
    /// A group they are in; may be given again
    #[arg(long = "group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
    /// Let them do nothing until they have changed the password
    #[arg(long)]
    pub(crate) must_change: bool,
    /// Read the password from standard input instead of asking for it; without a terminal, one is
    /// made up
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// What can be done with roles.
#[derive(Debug, Subcommand)]
pub(crate) enum RoleOrder {
    /// List the roles and what they allow
    List,
    /// Create a role
    Create {
        /// What it is called
        role: String,
        /// What it allows: pull, push, delete, administer, with commas between them
        #[arg(required = true, value_delimiter = ',', value_name = "PERMISSIONS")]
        permissions: Vec<String>,
    },
    /// Delete a role that no grant names
    Delete {
        /// What it is called
        role: String,
    },
}

/// What can be done with grants.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantOrder {
    /// List who has which role on which repositories
    List {
        /// Only those to this user
        #[arg(long)]
        user: Option<String>,
        /// Only those to this group
        #[arg(long)]
        group: Option<String>,
    },
    /// Give somebody a role on the repositories that a pattern names
    Add {
        /// The role
        role: String,
        /// The repositories: a name or a pattern such as team/**
        on: String,
        #[command(flatten)]
        to: GranteeArgs,
    },
    /// Take a grant back
    Remove {
        /// Its number, as list shows it
        id: u64,
    },
}

/// To whom something is granted.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = false)]
pub(crate) struct GranteeArgs {
    /// To this user
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// To everybody in this group
    #[arg(long)]
    pub(crate) group: Option<String>,
}

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyOrder {
    /// List the keys; their secrets are nowhere any more
    List {
        /// Only those of this user
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
    },
    /// Create a key, which is shown once
    Create(NewKeyArgs),
    /// Make a key worthless at once
    Revoke {
        /// Its id, as list shows it
        id: String,
        #[command(flatten)]
        asked: Asked,
    },
}

/// `floundr key create`.
#[derive(Debug, ClapArgs)]
pub(crate) struct NewKeyArgs {
    /// What it is called
    pub(crate) name: String,
    /// Whose it is, who must exist [default: yours, on a server elsewhere]
    #[arg(long, value_name = "USER", conflicts_with = "robot")]
    pub(crate) owner: Option<String>,
    /// It is nobody's, and may what its scopes say
    #[arg(long, requires = "scopes")]
    pub(crate) robot: bool,
    /// What it may, such as team/**=pull,push; may be given again [default: all that its owner may]
    #[arg(long = "scope", value_name = "PATTERN=PERMISSIONS")]
    pub(crate) scopes: Vec<String>,
    /// For how long it lets somebody in, such as 90d [default: until it is revoked]
    #[arg(long, value_name = "DURATION")]
    pub(crate) expires: Option<String>,
    /// Write it into this file, which must not be there, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
}

/// What can be done with rules.
#[derive(Debug, Subcommand)]
pub(crate) enum RuleOrder {
    /// List how repositories behave, by pattern
    List {
        /// Only those with this text in their pattern
        #[arg(long)]
        filter: Option<String>,
    },
    /// Say how the repositories behave that a pattern names; what is not given stays as it is
    Set {
        /// A pattern such as team/**, or a repository's name
        on: String,
        #[command(flatten)]
        rule: RuleArgs,
    },
    /// Delete a rule
    Delete {
        /// Its pattern
        on: String,
    },
}

/// How repositories behave.
#[derive(Debug, ClapArgs)]
#[group(required = true, multiple = true)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag that somebody types"
)]
pub(crate) struct RuleArgs {
    /// Let anybody pull
    #[arg(long, conflicts_with = "private")]
    pub(crate) public: bool,
    /// Let only those pull who may
    #[arg(long)]
    pub(crate) private: bool,
    /// Bytes that all of them may hold together, such as 10GiB
    #[arg(long, value_name = "SIZE", conflicts_with = "no_quota")]
    pub(crate) quota: Option<String>,
    /// Let them hold as much as there is room for
    #[arg(long)]
    pub(crate) no_quota: bool,
    /// Tags that can be set once and then neither moved nor deleted, such as v*; may be given again
    #[arg(long, value_name = "PATTERN", conflicts_with = "no_immutable_tags")]
    pub(crate) immutable_tags: Vec<String>,
    /// Let every tag be moved and deleted
    #[arg(long)]
    pub(crate) no_immutable_tags: bool,
}

/// What can be done with what tokens are signed with.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum TokenOrder {
    /// Sign tokens with a new key; those of the one before are good until they expire
    Rotate,
}

/// `floundr audit`.
#[derive(Debug, ClapArgs)]
pub(crate) struct AuditArgs {
    /// What else than to show who did what
    #[command(subcommand)]
    pub(crate) order: Option<AuditOrder>,
    /// Go on with what happens from now on, until interrupted
    #[arg(long)]
    pub(crate) follow: bool,
    /// Only what this user did
    #[arg(long, value_name = "USER")]
    pub(crate) actor: Option<String>,
    /// Only this action
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only what was done to things with this text in their name
    #[arg(long, value_name = "TEXT")]
    pub(crate) object: Option<String>,
    /// Only what happened within this time, such as 1h or 7d
    #[arg(long, value_name = "DURATION")]
    pub(crate) since: Option<String>,
    /// How many records at most, the newest ones
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print JSON instead of a table; with --follow one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What else can be asked of the audit log.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum AuditOrder {
    /// Say whether a record was changed or removed
    Verify,
}

/// `floundr explain`.
#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainArgs {
    /// Who: a user's name
    pub(crate) user: String,
    /// What: pull, push, delete or administer
    pub(crate) action: String,
    /// With which repository
    pub(crate) repository: String,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr new-user`.
#[derive(Debug, ClapArgs)]
pub(crate) struct PredecessorUserArgs {
    /// What they are called: a name or an e-mail address
    #[arg(value_name = "EMAIL")]
    pub(crate) user: String,
    /// Their password; others on this machine can see a command line, so better leave it out and be
    /// asked
    #[arg(long)]
    pub(crate) password: Option<floundr_frontend::accounts::Secret>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr gen-key`.
#[derive(Debug, ClapArgs)]
pub(crate) struct GenKeyArgs {
    /// Whose key it is, who must exist
    #[arg(value_name = "EMAIL")]
    pub(crate) owner: String,
    /// Write it into this file, which must not be there, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// `floundr migrate-fresh`.
#[derive(Debug, ClapArgs)]
pub(crate) struct MigrateFreshArgs {
    #[command(flatten)]
    pub(crate) asked: Asked,
    /// Print JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
