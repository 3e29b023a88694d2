"""Which mounts have safe locks. The lines are as real kernels print them."""

import pytest

from cronguard.store.files.mounts import refusal

ROOT = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard,errors=remount-ro"
PROC = "22 27 0:21 / /proc rw,relatime shared:12 master:3 - proc proc rw"
V42 = (
    "rw,vers=4.2,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,"
    "clientaddr=10.77.0.11,local_lock=none,addr=10.77.0.10"
)
V3 = (
    "rw,vers=3,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,"
    "mountaddr=10.77.0.10,mountvers=3,mountport=20048,mountproto=udp,local_lock=none,addr=10.77.0.10"
)
CIFS = "rw,vers=3.1.1,cache=strict,username=app,uid=0,noforceuid,gid=0,addr=10.0.0.5,file_mode=0755,soft,nounix,mapposix"


def on(kind, options, point="/mnt/share", source="10.77.0.10:/", number=40, parent=27):
    return f"{number} {parent} 0:45 / {point} rw,relatime shared:77 - {kind} {source} {options}"


def told(*lines, path="/mnt/share/locks", recover="N\n"):
    return refusal("\n".join([ROOT, PROC, *lines]) + "\n", path, recover)


@pytest.mark.parametrize(
    "line",
    [
        on("nfs4", V42),
        on("nfs4", V42.replace("vers=4.2", "vers=4.0")),
        on("nfs4", V42.replace("vers=4.2", "vers=4,minorversion=1")),
        on("nfs", V42),
        on("cifs", CIFS, source="//files/share"),
        on("ceph", "rw,name=admin,secret=<hidden>,acl", source="10.0.0.1:6789:/"),
        on("gfs2", "rw"),
        on("xfs", "rw,attr2,inode64,noquota", source="/dev/sdb1"),
        on("tmpfs", "rw,size=24684092k", source=""),
    ],
)
def test_mounts_whose_locks_reach_other_machines_are_fine(line):
    assert told(line) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (on("nfs", V3), "NFS with vers=3: a delayed write still takes effect after its lock was lost"),
        (on("nfs", V3.replace("vers=3", "vers=2")), "NFS with vers=2"),
        (on("nfs", "rw,addr=10.0.0.1"), "NFS with type nfs"),
        (on("nfs", V3.replace("local_lock=none", "nolock,local_lock=all")), "mounted with local_lock=all"),
        (on("nfs", f"{V3.replace('local_lock=none,', '')},nolock"), "mounted with nolock"),
        (on("nfs4", V42.replace("local_lock=none", "local_lock=flock")), "mounted with local_lock=flock"),
        (on("nfs4", V42.replace("local_lock=none", "local_lock=posix")), "mounted with local_lock=posix"),
        (on("cifs", f"{CIFS},nobrl", source="//files/share"), "mounted with nobrl"),
        (on("smb3", f"{CIFS},nobrl", source="//files/share"), "mounted with nobrl"),
        (on("cifs", CIFS.replace("cache=strict", "cache=loose")), "mounted with cache=loose"),
        (on("fuse.sshfs", "rw,user_id=0,group_id=0", source="lockhost:/srv"), "on fuse.sshfs"),
        (on("fuse", "rw,user_id=0,group_id=0"), "on fuse"),
        (on("fuseblk", "rw,user_id=0,blksize=4096", source="/dev/sdc1"), "on fuseblk"),
        (on("fuse.glusterfs", "rw,user_id=0,allow_other"), "on fuse.glusterfs"),
        (on("virtiofs", "rw", source="share"), "on virtiofs"),
        (on("9p", "rw,trans=virtio,version=9p2000.L"), "on 9p"),
        (on("lustre", "rw,localflock,lazystatfs"), "mounted with localflock"),
    ],
)
def test_mounts_whose_locks_are_not_safe_are_refused_with_the_reason(line, reason):
    assert reason in told(line)
    assert told(line).startswith("/mnt/share/locks ")


@pytest.mark.parametrize("value", ["Y\n", "Y", "1\n"])
def test_a_client_that_takes_lost_locks_for_held_is_refused(value):
    assert "recover_lost_locks=1" in told(on("nfs4", V42), recover=value)


@pytest.mark.parametrize("value", ["N\n", "0\n", ""])
def test_a_client_that_gives_up_lost_locks_is_fine(value):
    assert told(on("nfs4", V42), recover=value) is None


def test_how_a_client_treats_lost_locks_matters_on_nfs_only():
    assert told(recover="Y\n", path="/srv/locks") is None


def test_a_path_that_only_shares_a_prefix_with_the_mount_point_is_not_in_it():
    assert told(on("fuse.sshfs", "rw"), path="/mnt/shared") is None
    assert told(on("fuse.sshfs", "rw"), path="/mnt/share")


def test_escaped_characters_in_mount_points_are_read():
    line = on("fuse.sshfs", "rw", point=r"/mnt/our\040share\134x")
    assert told(line, path="/mnt/our share\\x/locks")
    assert told(line, path="/mnt/our") is None


def test_the_innermost_mount_counts():
    outer = on("fuse.sshfs", "rw", point="/mnt")
    inner = on("nfs4", V42, point="/mnt/share", number=41, parent=40)
    assert told(outer, inner) is None
    assert told(outer, inner, path="/mnt/other")


def test_a_mount_over_a_mount_hides_it():
    below = on("nfs4", V42)
    above = on("fuse.sshfs", "rw", number=41, parent=40)
    assert "sshfs" in told(below, above)


def test_a_mount_hidden_by_a_later_one_over_its_parent_does_not_count():
    hidden = on("nfs4", V42, point="/mnt/share", number=40)
    later = on("fuse.sshfs", "rw", point="/mnt", number=41)
    assert "sshfs" in told(hidden, later)


def test_an_automounter_and_what_it_mounted_are_told_apart():
    auto = on("autofs", "rw,fd=6,pgrp=1,timeout=300,minproto=5,maxproto=5,direct", source="auto.direct")
    mounted = on("nfs", V3, number=41, parent=40)
    assert told(auto) is None
    assert "vers=3" in told(auto, mounted)


def test_a_bind_mount_has_the_type_and_options_of_its_source():
    bound = "44 27 0:45 /exports/locks /srv/locks rw,relatime - nfs " + f"10.77.0.10:/run/export {V3}"
    assert "vers=3" in told(bound, path="/srv/locks")


def test_the_optional_fields_before_the_dash_may_be_none_or_many():
    for fields in ("", "shared:1 ", "shared:1 master:2 propagate_from:3 unbindable "):
        assert told(f"40 27 0:45 / /mnt/share rw {fields}- fuse.sshfs host:/ rw")


def test_the_root_itself_may_be_on_nfs():
    root = f"27 1 0:45 / / rw,relatime - nfs4 10.77.0.10:/root {V42.replace('local_lock=none', 'local_lock=all')}"
    assert "local_lock=all" in refusal(f"{root}\n{PROC}\n", "/srv/locks", "")


def test_a_path_in_no_visible_mount_is_refused():
    """For example in a chroot whose top is not a mount point."""
    assert "no mount that this process can see" in refusal(f"{PROC}\n", "/srv/locks", "")


def test_this_machines_own_mounts_are_read():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        text = file.read()
    assert refusal(text, "/proc", "") is None
