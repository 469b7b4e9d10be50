//! Who may log in, and which files have the last word on that.

use super::Mutation;

pub(super) const MUTATIONS: &[Mutation] = &[
    (
        "ssh/passwords",
        "passwordauthentication no",
        "passwordauthentication yes",
        "fail",
    ),
    ("ssh/passwords", "passwordauthentication no\n", "", "error"),
    (
        "ssh/keyboard-interactive",
        "kbdinteractiveauthentication no",
        "kbdinteractiveauthentication yes",
        "fail",
    ),
    (
        "ssh/public-keys",
        "pubkeyauthentication yes",
        "pubkeyauthentication no",
        "fail",
    ),
    (
        "ssh/root-login",
        "permitrootlogin without-password",
        "permitrootlogin yes",
        "fail",
    ),
    ("ssh/auth-tries", "maxauthtries 4", "maxauthtries 6", "fail"),
    (
        "ssh/login-grace",
        "logingracetime 30",
        "logingracetime 120",
        "fail",
    ),
    (
        "ssh/client-alive",
        "clientaliveinterval 60",
        "clientaliveinterval 0",
        "fail",
    ),
    (
        "ssh/allow-users",
        "allowusers root",
        "allowusers mallory",
        "fail",
    ),
    (
        "ssh/allow-users",
        "allowusers operator\nallowusers root\n",
        "",
        "fail",
    ),
    (
        "ssh/login",
        "pubkeyauthentication yes",
        "pubkeyauthentication no",
        "fail",
    ),
    (
        "ssh/login",
        "authenticationmethods any",
        "authenticationmethods publickey,password",
        "fail",
    ),
    (
        "ssh/login",
        "allowusers operator\n",
        "allowusers mallory\n",
        "fail",
    ),
    ("ssh/login", "allowusers root", "denyusers oper*", "fail"),
    ("ssh/login", "login operator", "login mallory", "error"),
    ("ssh/loaded", "14:41:19", "14:41:21", "fail"),
    (
        "ssh/loaded",
        "ActiveState=active",
        "ActiveState=failed",
        "fail",
    ),
    (
        "ssh/boot",
        "UnitFileState=enabled",
        "UnitFileState=disabled",
        "fail",
    ),
    (
        "ssh/boot",
        "UnitFileState=enabled",
        "UnitFileState=masked",
        "fail",
    ),
    (
        "ssh/boot",
        "UnitFileState=enabled",
        "UnitFileState=indirect",
        "skip",
    ),
    (
        "ssh/other-keys/operator",
        "IHkS6uGBo5FVxjcBcmTz",
        "IHkS6uGBo5FVxjcBcmTy",
        "fail",
    ),
    (
        "ssh/other-keys/root",
        "# nobody",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 nobody",
        "fail",
    ),
    (
        "network/overruled/60-deployctl-network.conf",
        "10-kernel-hardening",
        "99-kernel-hardening",
        "fail",
    ),
    (
        "trading/overruled/trading.service",
        "file /etc/ssh/sshd_config\n",
        "/etc/systemd/system/trading.service.d/override.conf\x002:[Service]\n\
         /etc/systemd/system/trading.service.d/override.conf\x003:ExecStart=\n",
        "fail",
    ),
    (
        "vllm/overruled/vllm.service",
        "file /etc/ssh/sshd_config\n",
        "/etc/systemd/system/vllm.service.d/override.conf\x002:[Service]\n\
         /etc/systemd/system/vllm.service.d/override.conf\x003:ExecStart=\n",
        "fail",
    ),
    ("ssh/offered", "(publickey)", "(publickey,password)", "fail"),
    ("ssh/listening", ":22 ", ":2222 ", "fail"),
    (
        "ssh/keys/operator",
        "IHkS6uGBo5FVxjcBcmTz",
        "IHkS6uGBo5FVxjcBcmTy",
        "fail",
    ),
    ("ssh/keys/operator", "ssh-ed25519", "# ssh-ed25519", "fail"),
    ("ssh/keys/operator", "", "no such user\n", "fail"),
];
