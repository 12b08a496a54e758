// The Android library: an AAR with the native library for each ABI, and its publication.
//
//   gradle assembleRelease                     build/outputs/aar/xunyuan-release.aar
//   gradle publishReleasePublicationToBranchRepository
//
// Needs an Android SDK with NDK r28 or newer, a Rust toolchain with the targets below and `cargo-ndk`. A JVM
// build that needs none of these is `./test`.

plugins {
    id("com.android.library") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.2.20"
    `maven-publish`
}

val abis = listOf("arm64-v8a", "armeabi-v7a", "x86_64")
val generated = layout.buildDirectory.dir("generated/uniffi")
val jniLibs = layout.buildDirectory.dir("jniLibs")

group = "cn.xunyuan"
version = file("../../Cargo.toml").readLines().first { it.startsWith("version = ") }.substringAfter('"').substringBefore('"')

android {
    namespace = "cn.xunyuan"
    compileSdk = 35
    ndkVersion = "28.2.13676358"

    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
        ndk { abiFilters += abis }
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    sourceSets["main"].kotlin.srcDir(generated)
    sourceSets["main"].jniLibs.srcDir(jniLibs)
    publishing { singleVariant("release") { withSourcesJar() } }
}

kotlin { jvmToolchain(17) }

dependencies {
    implementation("net.java.dev.jna:jna:5.17.0@aar")
    api("org.jetbrains.kotlinx:kotlinx-coroutines-core:1.10.2")
}

/** The native library of every ABI, and the Kotlin sources that fit it. */
val nativeLibraries by tasks.registering(Exec::class) {
    inputs.files(fileTree("../src"), fileTree("../../core/src"), file("../../Cargo.lock"), file("../uniffi.toml"))
    outputs.dirs(generated, jniLibs)
    commandLine("./native", generated.get().asFile.path, jniLibs.get().asFile.path, *abis.toTypedArray())
}

tasks.named("preBuild") { dependsOn(nativeLibraries) }

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "xunyuan"
            afterEvaluate { from(components["release"]) }
            pom {
                name = "Xunyuan"
                description = "The device side of Xunyuan: patrols and ledgers without signal, brought together at the branch"
                licenses { license { name = "Apache-2.0" } }
            }
        }
    }
    repositories {
        maven {
            name = "branch"
            url = uri(providers.gradleProperty("branchRepository").orElse(layout.buildDirectory.dir("repository").map { it.asFile.path }).get())
        }
    }
}
