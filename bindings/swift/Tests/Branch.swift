import Foundation

/// What the script of this folder hands to the tests.
enum Given {
    /// The program `xunyuan-server`.
    static let server = variable("XUNYUAN_SERVER")
    /// The sample organisation.
    static let organisation = variable("XUNYUAN_ORGANISATION")

    private static func variable(_ name: String) -> String {
        guard let value = ProcessInfo.processInfo.environment[name] else {
            fatalError("run the tests with bindings/swift/test")
        }
        return value
    }
}

/// A branch server in a process of its own, on a free port of the loopback.
final class Branch {
    private let data = freshDirectory() + "/branch"
    private let serving = Process()

    init(secured: Bool = false) throws {
        _ = try command("org", "load", Given.organisation)
        prepare(serving, ["serve", "--listen", "127.0.0.1:0"] + (secured ? ["--plain-http", "never"] : []))
        let said = Pipe()
        serving.standardOutput = said
        try serving.run()
        // It says where it listens as soon as it does.
        let line = said.fileHandleForReading.availableData
        try check(String(decoding: line, as: UTF8.self).contains("listening"), "the server listens")
    }

    deinit {
        // One that was never started has the id 0, which means all processes of this group.
        guard serving.isRunning else { return }
        kill(serving.processIdentifier, SIGKILL)
        serving.waitUntilExit()
    }

    /// A fresh link for a person.
    func invite(_ user: String) throws -> String {
        let said = try command("invite", "--user", user)
        let json = try JSONSerialization.jsonObject(with: said) as? [String: Any]
        return try unwrap(json?["link"] as? String, "a link")
    }

    /// Enrols a person's replica and fetches what they may see.
    func enroll(_ user: String) throws -> Replica {
        let replica = try Replica.enroll(link: invite(user), directory: freshDirectory(), settings: settings())
        try synced(replica)
        return replica
    }

    private func command(_ arguments: String...) throws -> Data {
        let running = Process()
        prepare(running, arguments)
        let said = Pipe()
        running.standardOutput = said
        try running.run()
        let out = said.fileHandleForReading.readDataToEndOfFile()
        running.waitUntilExit()
        try check(running.terminationStatus == 0, "\(arguments): \(String(decoding: out, as: UTF8.self))")
        return out
    }

    private func prepare(_ process: Process, _ arguments: [String]) {
        process.executableURL = URL(fileURLWithPath: Given.server)
        process.arguments = ["--json", "--lang", "en", "--data", data] + arguments
        process.standardError = FileHandle.nullDevice
    }
}

/// A fresh directory.
func freshDirectory() -> String {
    let directory = NSTemporaryDirectory() + "/xunyuan-swift-" + UUID().uuidString
    try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    return directory
}

/// Settings of these tests.
func settings(byItself: Bool = false) -> Settings {
    Settings(
        app: "xunyuan-swift-test/1", language: .english, timeZone: "Asia/Shanghai", exchangeByItself: byItself)
}

/// A grey picture, and behind its end a name that makes it another file than every other.
func picture(_ name: String) -> String {
    let file = freshDirectory() + "/\(name).jpg"
    try? (Data(base64Encoded: grey)! + Data(name.utf8)).write(to: URL(fileURLWithPath: file))
    return file
}

private let grey =
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71"
    + "////m8H////6/+b9//j/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAP/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAI"
    + "AQEAAD8AP//Z"

/// An answer by the id of an option.
func option(_ id: String, note: String? = nil, photos: [String] = []) -> AnswerInput {
    AnswerInput(value: .text(value: id), note: note, photos: photos)
}

/// Exchanges until nothing is left.
func synced(_ replica: Replica) throws {
    let report = try replica.syncOnce(withinMs: 30_000)
    try check(report.isFinished, "the exchange: \(report.failure ?? "")")
}

/// Something that a test found wrong.
struct Wrong: Error, CustomStringConvertible {
    let description: String
}

func check(_ holds: Bool, _ what: String, line: Int = #line) throws {
    if !holds { throw Wrong(description: "line \(line): \(what)") }
}

func same<T: Equatable>(_ found: T, _ expected: T, line: Int = #line) throws {
    try check(found == expected, "\(found) is not \(expected)", line: line)
}

func unwrap<T>(_ value: T?, _ what: String, line: Int = #line) throws -> T {
    guard let value else { throw Wrong(description: "line \(line): no \(what)") }
    return value
}

/// The first element that fits, or an error after half a minute.
func first<S: AsyncSequence & Sendable>(
    of sequence: S, _ what: String, where fits: @escaping @Sendable (S.Element) -> Bool
) async throws -> S.Element where S.Element: Sendable {
    try await withThrowingTaskGroup(of: S.Element.self) { group in
        group.addTask {
            for try await element in sequence where fits(element) { return element }
            throw Wrong(description: "the sequence ended: \(what)")
        }
        group.addTask {
            try await Task.sleep(nanoseconds: 30_000_000_000)
            throw Wrong(description: "in vain: \(what)")
        }
        defer { group.cancelAll() }
        return try await unwrap(group.next(), what)
    }
}
