//! The packages that the seed's hosts install, with their real names and versions, and some that
//! behave badly.

use super::Deb;

/// The packages of `TensorRT`; each has to be pinned, none follows another.
const TENSORRT: [&str; 10] = [
    "libnvinfer10",
    "libnvinfer-plugin10",
    "libnvinfer-vc-plugin10",
    "libnvinfer-lean10",
    "libnvinfer-dispatch10",
    "libnvonnxparsers10",
    "libnvinfer-dev",
    "libnvinfer-headers-dev",
    "libnvinfer-headers-plugin-dev",
    "libnvinfer-bin",
];

/// Returns an archive's worth of packages:
///
/// - the driver of branch 580, CUDA 12.6, cuDNN 9, `TensorRT` 10 for CUDA 12.6, and the `TensorRT`
///   that supersedes it but is built for another CUDA;
/// - `haproxy` and `prometheus-node-exporter` as daemons with a unit; haproxy with a conffile;
/// - `failing-postinst`, which cannot be configured;
/// - `slow-postinst`, which is being configured as long as `/run/slow` is there;
/// - `hostile-conflict`, whose installation removes `nvidia-utils-580-server`.
pub fn real_packages() -> Vec<Deb> {
    let driver = "580.173.02-0ubuntu0.24.04.1";
    let cudnn = "9.5.0.50-1";
    let mut packages = vec![
        Deb::new("nvidia-headless-580-server-open", driver)
            .depends(&format!("nvidia-dkms-580-server-open (= {driver})")),
        Deb::new("nvidia-dkms-580-server-open", driver),
        Deb::new("nvidia-compute-utils-580-server", driver),
        Deb::new("nvidia-utils-580-server", driver).file(
            "/usr/bin/nvidia-smi",
            "#!/bin/sh\necho 'no devices were found' >&2\nexit 6\n",
        ),
        Deb::new("cuda-toolkit-12-6", "12.6.3-1"),
        Deb::new("cuda-nsight-systems-12-6", "12.6.77-1"),
        Deb::new("cuda-nsight-compute-12-6", "12.6.77-1"),
        Deb::new("cudnn9-cuda-12-6", cudnn).depends(&format!("libcudnn9-cuda-12 (= {cudnn})")),
        Deb::new("libcudnn9-cuda-12", cudnn),
        Deb::new("haproxy", "2.8.5-1ubuntu3")
            .conffile("/etc/haproxy/haproxy.cfg", "global\n")
            .service("haproxy.service"),
        Deb::new("prometheus-node-exporter", "1.7.0-1").service("prometheus-node-exporter.service"),
        Deb::new("failing-postinst", "1.0").postinst("echo 'no such device' >&2; exit 1"),
        Deb::new("slow-postinst", "1.0").postinst("while [ -e /run/slow ]; do sleep 0.1; done"),
        Deb::new("hostile-conflict", "1.0").conflicts("nvidia-utils-580-server"),
    ];
    for version in ["10.7.0.23-1+cuda12.6", "10.16.1.11-1+cuda13.2"] {
        packages.extend(TENSORRT.map(|name| Deb::new(name, version)));
    }
    packages
}
