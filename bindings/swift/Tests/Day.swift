import Foundation

/// What the officer's process does in the basement; it is killed while it waits for ever at the end.
func officer(file: String, sheet: String) throws {
    let replica = try Replica.open(file: file, settings: settings())
    try replica.setNetwork(network: .absent)
    _ = try replica.answer(document: sheet, item: "pp.green.01", answer: option("pass"))
    let failing = option("fail", note: "灭火器压力不足", photos: [picture("gauge")])
    _ = try replica.answer(document: sheet, item: "pp.fire.02", answer: failing)
    print("saved")
    fflush(stdout)
    Thread.sleep(forTimeInterval: 600)
}

private func killedInTheBasement(file: String, sheet: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
    process.arguments = ["officer", file, sheet]
    let said = Pipe()
    process.standardOutput = said
    try process.run()
    let line = String(decoding: said.fileHandleForReading.availableData, as: UTF8.self)
    try same(line, "saved\n")
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
}

/// A patrol officer's day, against a real branch server.
func aPatrolOfficersDay() async throws {
    let branch = try Branch()
    // In the morning, with signal: enrol.
    let officer = try branch.enroll("u.pt01")
    let file = try officer.identity().file
    try same(officer.identity().user, "u.pt01")
    let slot = try unwrap(officer.slots().first, "slot")
    let sheet = try officer.startSlot(key: slot.key, project: slot.project)
    try check(officer.slots().first { $0.key == slot.key }?.isStarted == true, "the slot is started")
    officer.shut()

    // In the basement, without signal; the phone dies.
    try killedInTheBasement(file: file, sheet: sheet.document)

    // What was saved is there.
    let again = try Replica.open(file: file, settings: settings())
    let reopened = try again.sheet(document: sheet.document)
    let fire = try unwrap(reopened.sections.flatMap(\.items).first { $0.id == "pp.fire.02" }, "item")
    try same(fire.notes.map(\.text), ["灭火器压力不足"])
    try same(fire.photos.count, 1)
    try check(fire.isFail, "it fails")
    try check(again.standing().pendingChanges > 0, "it waits")
    let findings = try again.list(filter: CardFilter(kind: .entry)).cards
    try same(findings.count, 1)

    // Signal again.
    try synced(again)
    try same(again.standing().pendingChanges, 0)
    try check(again.card(document: findings[0].document).number != nil, "the official number came back")

    // A colleague writes something else on the same item.
    let colleague = try branch.enroll("u.pt02")
    _ = try colleague.startSlot(key: slot.key, project: slot.project)
    _ = try colleague.answer(document: sheet.document, item: "pp.green.02", answer: option("pass"))
    _ = try again.answer(document: sheet.document, item: "pp.green.02", answer: option("fail", note: "断枝"))
    for replica in [colleague, again, colleague] { try synced(replica) }
    let conflicts = try colleague.conflicts()
    try same(conflicts.map(\.key), ["item/pp.green.02"])
    try same(Set(conflicts[0].choices.map(\.byName)), ["巡查员子", "巡查员丑"])
    let keep = try unwrap(conflicts[0].choices.firstIndex { $0.value == .text(value: "fail") }, "choice")
    try same(colleague.resolve(document: sheet.document, key: conflicts[0].key, choice: UInt32(keep)), 0)
    for replica in [colleague, again] { try synced(replica) }
    try same(again.conflicts().count, 0)
    let decided = try again.history(document: sheet.document).contains { $0.isEvent && $0.byName == "巡查员丑" }
    try check(decided, "the decision is history")
    again.shut()
    colleague.shut()
}

/// On a lost phone nothing can be read, and nothing opens without the key.
func aFileUnderAKeyOpensWithItOnly() async throws {
    let branch = try Branch()
    let directory = freshDirectory()
    let (key, other) = (Data(repeating: 7, count: 32), Data(repeating: 8, count: 32))
    let device = try await Device.enroll(
        link: branch.invite("u.pt01"), directory: directory, settings: settings(), key: key)
    try await device.sync()
    let file = try await device.ask { try $0.identity().file }
    let words = "配电房门未锁"
    let sheet = try await device.ask {
        try $0.startSheet(checklist: "tpl.park_patrol", project: "pj.lanyuan", header: [:]).document
    }
    _ = try await device.ask {
        try $0.answer(document: sheet, item: "pp.fire.02", answer: option("fail", note: words))
    }
    try same(readable(words, in: directory), [])
    device.close()
    for wrong in [nil, other] {
        do {
            _ = try await Device.open(file, settings: settings(), key: wrong)
            throw Wrong(description: "it opens")
        } catch SyncError.WrongKey(_, let sentence) {
            try check(!sentence.isEmpty, "it says why")
        }
    }
    try changeKey(file: file, from: key, to: nil, language: .english)
    try check(!readable(words, in: directory).isEmpty, "decrypted, it can be read")
    try changeKey(file: file, from: nil, to: other, language: .english)
    try same(readable(words, in: directory), [])
    let again = try await Device.open(file, settings: settings(), key: other)
    let found = try await again.ask { try $0.search(text: "配电房") }
    try same(found.count, 2)
    again.close()
}

/// The files of a directory that hold a text as it is.
private func readable(_ text: String, in directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).filter { name in
        let bytes = FileManager.default.contents(atPath: directory + "/" + name)
        return bytes?.range(of: Data(text.utf8)) != nil
    }
}

/// Over TLS, with the key of the link, and through the layer for Swift concurrency.
func theAppHearsOfOthersWorkWithoutAsking() async throws {
    let branch = try Branch(secured: true)
    let colleague = try branch.enroll("u.pt02")
    let device = try await Device.enroll(
        link: branch.invite("u.pt01"), directory: freshDirectory(), settings: settings(byItself: true))
    let changes = device.changes
    _ = try await first(of: device.standing, "rest") { $0.activity == .resting && $0.lastExchangeMs != nil }
    let sheet = try colleague.startSheet(checklist: "tpl.park_patrol", project: "pj.lanyuan", header: [:]).document
    try synced(colleague)
    _ = try await first(of: changes, "the sheet") { $0.everything || $0.documents.contains(sheet) }
    let card = try await device.ask { try $0.card(document: sheet) }
    try same(card.createdBy, "巡查员丑")
    // What is written here goes out by itself.
    _ = try await device.ask { try $0.answer(document: sheet, item: "pp.green.01", answer: option("pass")) }
    _ = try await first(of: device.standing, "delivery") { $0.pendingChanges == 0 }
    let reading = Task { () -> Int in
        var count = 0
        for await _ in device.standing { count += 1 }
        return count
    }
    device.close()
    _ = await reading.value
    // Sequences that are asked for later end at once.
    for await _ in device.changes {}
    for await _ in device.standing {}
    do {
        _ = try await device.ask { try $0.standing() }
        throw Wrong(description: "a closed device answers")
    } catch let error as SyncError {
        try same(error.code, "closed")
        try check(!error.sentence.isEmpty, "it says why")
    }
    colleague.shut()
}

/// The program of the README does what it says.
func theReadmeRuns() async throws {
    let branch = try Branch()
    let directory = freshDirectory()
    try await walkthrough(link: branch.invite("u.pt01"), directory: directory, photo: picture("branch"))
    try same(replicasIn(directory: directory).count, 1)
}
