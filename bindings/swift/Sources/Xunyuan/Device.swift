import Foundation

/// One person's records on this device, for Swift concurrency.
///
/// Every call of ``Replica`` goes through ``ask(_:)``: off the caller's thread, with a thrown ``SyncError``.
///
/// ```swift
/// let sheet = try await device.ask { try $0.startSlot(key: slot.key, project: slot.project) }
/// ```
///
/// Hold one for as long as the app runs.
public final class Device: Sendable {
    private let replica: Replica
    private let news = News()
    private let queue = DispatchQueue(label: "cn.xunyuan.device", attributes: .concurrent)

    private init(_ replica: Replica) throws {
        self.replica = replica
        try replica.setListener(listener: news)
    }

    /// Opens a replica file that was enrolled before, with its key where it is encrypted.
    public static func open(_ file: String, settings: Settings, key: Data? = nil) async throws -> Device {
        try await made { try Replica.open(file: file, settings: settings, key: key) }
    }

    /// Turns a one-time link into a replica in `directory` (needs signal), encrypted where there is a key: 32
    /// random bytes that the app keeps in the Keychain.
    public static func enroll(
        link: String, directory: String, settings: Settings, key: Data? = nil
    ) async throws -> Device {
        try await made { try Replica.enroll(link: link, directory: directory, settings: settings, key: key) }
    }

    /// Makes one or several calls off the caller's thread.
    ///
    /// A call that has begun is finished even when the task is cancelled meanwhile: what a person saved stays
    /// saved.
    public func ask<T: Sendable>(_ call: @escaping @Sendable (Replica) throws -> T) async throws -> T {
        let replica = replica
        return try await off(queue) { try call(replica) }
    }

    /// Exchanges with the branch and waits for the end. Cancelling stops the waiting, not the exchange.
    @discardableResult
    public func sync() async throws -> SyncReport {
        try await replica.sync()
    }

    /// Records that change from now on, each time it is asked for a sequence of its own. Who reads slowly
    /// hears that everything may have changed.
    public var changes: AsyncStream<Changed> { news.changes() }

    /// How the replica stands: the newest standing first, then every change; what nobody read in time is
    /// left out.
    public var standing: AsyncStream<Standing> { news.standings() }

    /// Closes the file and ends the sequences; every later call fails as closed. A second time is harmless.
    public func close() {
        replica.shut()
        news.end()
    }

    private static func made(_ make: @escaping @Sendable () throws -> Replica) async throws -> Device {
        try await off(.global(qos: .userInitiated)) { try Device(make()) }
    }
}

extension SyncError {
    /// What happened and what to do, in the language that was chosen: for the person.
    public var sentence: String { explain().sentence }

    /// Stable code in snake case: for programs.
    public var code: String { explain().code }
}

/// Runs blocking work on a queue, so that no thread of Swift concurrency waits for a file.
private func off<T: Sendable>(
    _ queue: DispatchQueue, _ work: @escaping @Sendable () throws -> T
) async throws -> T {
    try await withCheckedThrowingContinuation { waiting in
        queue.async { waiting.resume(with: Result { try work() }) }
    }
}
