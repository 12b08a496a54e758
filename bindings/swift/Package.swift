// swift-tools-version: 5.9
// ./xcframework makes the package: this, the sources, the generated one and the XCFramework.
import PackageDescription

let package = Package(
    name: "Xunyuan",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Xunyuan", targets: ["Xunyuan"])],
    targets: [
        .target(name: "Xunyuan", dependencies: ["XunyuanFFI"]),
        .binaryTarget(name: "XunyuanFFI", path: "XunyuanFFI.xcframework"),
    ]
)
