//! Who may write what.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use crate::error::Untrusted;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;
const PERMISSIONS: u32 = 0o7777;
const ROOT: u32 = 0;

/// The users and groups of this system, as far as its files tell.
#[derive(Debug)]
pub(crate) struct Accounts {
    me: u32,
    /// User ids by name, and how many users have a group as their own.
    users: HashMap<String, u32>,
    primary: Vec<(u32, u32)>,
    /// Members of each group beyond those who have it as their own.
    members: HashMap<u32, Vec<String>>,
}

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// What is read: a plugin, or the directory it is in.
    Own,
    /// A directory above, where a sticky bit keeps others from replacing what is not theirs.
    Parent,
}

impl Accounts {
    /// Reads the system's files; users from elsewhere are not known, so groups they may be in are not trusted.
    pub(crate) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&text("/etc/passwd"), &text("/etc/group"), rustix::process::geteuid().as_raw())
    }

    fn parse(passwd: &str, group: &str, me: u32) -> Self {
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let number = |fields: &[String], at: usize| fields.get(at)?.parse::<u32>().ok();
        let (mut users, mut primary, mut members) = (HashMap::new(), Vec::new(), HashMap::new());
        for user in passwd.lines().map(fields) {
            if let (Some(name), Some(uid), Some(gid)) = (user.first(), number(&user, 2), number(&user, 3)) {
                users.insert(name.clone(), uid);
                primary.push((gid, uid));
            }
        }
        for group in group.lines().map(fields) {
            if let Some(gid) = number(&group, 2) {
                let names = group.get(3).map(String::as_str).unwrap_or_default();
                let names = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned);
                members.entry(gid).or_insert_with(Vec::new).extend(names);
            }
        }
        Self { me, users, primary, members }
    }

    /// Whether nobody but root and we can change what `data` belongs to.
    ///
    /// # Errors
    ///
    /// [`Untrusted::Owner`], [`Untrusted::Writable`].
    pub(crate) fn check(&self, data: &Metadata, role: Role) -> Result<(), Untrusted> {
        self.check_mode(data.uid(), data.gid(), data.mode(), role)
    }

    fn check_mode(&self, uid: u32, gid: u32, mode: u32, role: Role) -> Result<(), Untrusted> {
        if uid != ROOT && uid != self.me {
            return Err(Untrusted::Owner { uid });
        }
        let by_group = mode & GROUP_WRITES != 0 && !self.is_private(gid);
        let sticky = role == Role::Parent && mode & STICKY != 0;
        if (by_group || mode & OTHERS_WRITE != 0) && !sticky {
            return Err(Untrusted::Writable { mode: mode & PERMISSIONS });
        }
        Ok(())
    }

    /// Whether only root and we are in the group, as in the group of their own that many systems give each user.
    fn is_private(&self, gid: u32) -> bool {
        let Some(members) = self.members.get(&gid) else { return false };
        let trusted = |uid: u32| uid == ROOT || uid == self.me;
        members.iter().all(|name| self.users.get(name).is_some_and(|uid| trusted(*uid)))
            && self.primary.iter().all(|(group, uid)| *group != gid || trusted(*uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\nyou:x:1001:1001::/home/you:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nme:x:1000:\nstaff:x:50:me,you\nmine:x:60:me\n";

    fn check(uid: u32, gid: u32, mode: u32, role: Role) -> Result<(), Untrusted> {
        Accounts::parse(PASSWD, GROUP, 1000).check_mode(uid, gid, mode, role)
    }

    #[test]
    fn what_root_or_we_own_is_ours() {
        assert_eq!(check(0, 0, 0o755, Role::Own), Ok(()));
        assert_eq!(check(1000, 1000, 0o700, Role::Own), Ok(()));
        assert_eq!(check(1001, 1001, 0o755, Role::Own), Err(Untrusted::Owner { uid: 1001 }));
    }

    #[test]
    fn a_group_of_our_own_may_write_and_a_shared_one_may_not() {
        assert_eq!(check(1000, 1000, 0o775, Role::Own), Ok(()));
        assert_eq!(check(1000, 60, 0o775, Role::Own), Ok(()));
        assert_eq!(check(1000, 50, 0o775, Role::Own), Err(Untrusted::Writable { mode: 0o775 }));
        assert_eq!(check(1000, 1001, 0o775, Role::Own), Err(Untrusted::Writable { mode: 0o775 }));
        assert_eq!(check(1000, 4242, 0o775, Role::Own), Err(Untrusted::Writable { mode: 0o775 }));
    }

    #[test]
    fn a_sticky_parent_protects_what_is_in_it() {
        assert_eq!(check(0, 0, 0o1777, Role::Parent), Ok(()));
        assert_eq!(check(0, 0, 0o1777, Role::Own), Err(Untrusted::Writable { mode: 0o1777 }));
        assert_eq!(check(0, 0, 0o777, Role::Parent), Err(Untrusted::Writable { mode: 0o777 }));
    }
}
