# The lock host's part of the boot: an sshd with the key that the scenario has generated, and a directory for locks.

mkdir -p /run/sshd /run/locks
cat >/run/sshd_config <<CONFIG
HostKey /run/host_key
AuthorizedKeysFile /run/lab/keys/user.pub
StrictModes no
UsePAM no
MaxStartups 10:30:100
Subsystem sftp internal-sftp
CONFIG
install -m 600 /run/lab/keys/host /run/host_key
/usr/sbin/sshd -f /run/sshd_config
