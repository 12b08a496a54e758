package cn.xunyuan

import java.io.File
import java.lang.reflect.InvocationTargetException
import java.lang.reflect.Proxy
import java.lang.reflect.UndeclaredThrowableException
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.runBlocking
import org.junit.AfterClass
import org.junit.BeforeClass
import org.junit.Test

/** Every public function of the facade, called from the JVM at least once. */
class EveryFunctionTest {
    companion object {
        private val called = mutableSetOf<String>()
        private lateinit var branch: Branch

        /** A replica that notes which of its functions are called. */
        private fun noted(replica: Replica): ReplicaInterface = Proxy.newProxyInstance(
            ReplicaInterface::class.java.classLoader,
            arrayOf(ReplicaInterface::class.java),
        ) { _, method, arguments ->
            called += method.name.substringBefore('-')
            try {
                method.invoke(replica, *(arguments ?: emptyArray()))
            } catch (failed: InvocationTargetException) {
                throw failed.targetException
            }
        } as ReplicaInterface

        @BeforeClass
        @JvmStatic
        fun found() {
            branch = Branch()
        }

        @AfterClass
        @JvmStatic
        fun everyFunctionWasCalled() {
            branch.close()
            val all = ReplicaInterface::class.java.declaredMethods.map { it.name.substringBefore('-') }
            val public = all.filterNot { it == "Companion" || it.contains('$') }.toSet()
            assertEquals(emptySet(), public - called, "functions that no test calls")
        }
    }

    @Test
    fun sheets() {
        val officer = noted(branch.enroll("u.pt01"))
        val slots = officer.slots()
        assertTrue(slots.isNotEmpty() && slots.all { it.title.isNotEmpty() && it.projectName.isNotEmpty() })
        val slot = slots.first()
        val sheet = officer.startSlot(slot.key, slot.project).document
        assertEquals(slot.document, sheet)
        officer.setHeader(sheet, "weather", text("rain"))
        val headed = officer.setHeader(sheet, "inspectors", text("u.pt02"))
        assertEquals("雨", officer.also { it.setLanguage(Language.CHINESE) }.sheet(sheet).header.first { it.form.id == "weather" }.values.single().text)
        officer.setLanguage(Language.ENGLISH)
        assertTrue(headed.header.first { it.form.id == "inspectors" }.values.map { it.byName }.isNotEmpty())
        val passed = officer.answer(sheet, "pp.green.01", option("pass"))
        assertEquals(1u, passed.sheet.sections.first { section -> section.items.any { it.id == "pp.green.01" } }.answered)
        assertTrue(passed.raised.isEmpty())
        val failed = officer.answer(sheet, "pp.green.02", option("fail", note = "断枝悬挂", photos = listOf(picture("branch").path)))
        assertEquals(CardKind.ENTRY, failed.raised.single().kind)
        assertNotNull(failed.raised.single().temporaryNumber)
        assertEquals("说明补充", officer.note(sheet, "pp.green.01", "说明补充").sheet.item("pp.green.01").notes.single().text)
        assertEquals(1, officer.attachPhoto(sheet, "pp.green.01", picture("lawn").path).sheet.item("pp.green.01").photos.size)
        assertTrue(officer.scan(sheet, "LY0008").scans.any { it.scans.isNotEmpty() })
        assertEquals("标签脱落", officer.scan(sheet, "cp.lanyuan.01", "标签脱落").scans.first { it.checkpoint == "cp.lanyuan.01" }.bypass)
        val line = mapOf("location" to text("地下车库A区"), "desc" to text("水渍"), "owner_dept" to text("dept.eng"), "urgency" to text("today"))
        assertEquals(1, officer.addLine(sheet, "pp.other", line).groups.first { it.id == "pp.other" }.lines.size)
        assertNotNull(officer.sign(sheet, "inspector_sign").signoffs.first { it.id == "inspector_sign" }.signed)
        val gaps = fails<SyncException.Incomplete> { officer.complete(sheet) }
        assertTrue(gaps.missing.isNotEmpty() && gaps.explain().sentence.isNotEmpty())
        assertEquals(SheetState.COMPLETED, officer.complete(sheet, withGaps = true).state)
        val amended = officer.amend(sheet, "看错了", mapOf("pp.green.01" to option("na")))
        assertEquals("看错了", amended.sheet.amendments.single().reason)
        fails<SyncException> { officer.upgrade(sheet) }
        fails<SyncException.Invalid> { officer.continueRecord(sheet) }
        assertTrue(officer.history(sheet).let { lines -> lines.size > 5 && lines.any { it.isEvent } && lines.all { it.title.isNotEmpty() } })
        assertTrue(officer.syncOnce(30_000u).isFinished)
        val lead = noted(branch.enroll("u.csl01"))
        assertEquals(SheetState.REVIEWED, lead.review(sheet, "已核对").state)
        fails<SyncException.Refused> { officer.startSheet("tpl.park_patrol", "pj.nowhere") }
        val free = officer.startSheet("tpl.park_patrol", "pj.lanyuan", mapOf("weather" to text("rain")))
        assertEquals(SheetState.OPEN, free.state)
        officer.shut()
        lead.shut()
    }

    @Test
    fun files() {
        val officer = noted(branch.enroll("u.pt01"))
        val sheet = officer.startSheet("tpl.park_patrol", "pj.lanyuan").document
        val attached = officer.attachFiles(sheet, "pp.green.02", listOf(picture("one").path, picture("two").path))
        assertEquals(2u, attached.all)
        val (one, two) = attached.files
        assertTrue(File(one.thumbnail!!).isFile && File(one.original!!).isFile && one.state == FileState.Waiting)
        val replaced = officer.replaceFile(sheet, one.sha256, picture("three").path)
        assertTrue(replaced.files.none { it.sha256 == one.sha256 } && replaced.all == 2u)
        assertEquals(1u, officer.discardFile(sheet, two.sha256, null).all)
        val (kept) = officer.waitingFiles()
        assertEquals(sheet, kept.document)
        assertEquals(1u, officer.standing().pendingFiles)
        assertTrue(officer.syncOnce(30_000u).isFinished)
        val there = officer.files(sheet)
        assertEquals(1u, there.atBranch)
        assertEquals(FileState.Confirmed, there.files.single().state)
        fails<SyncException.NotFound> { officer.retryFile("00".repeat(32)) }
        fails<SyncException.Invalid> { officer.attachFiles(sheet, "pp.green.02", listOf("/nowhere.jpg")) }
        val colleague = noted(branch.enroll("u.pt02"))
        assertTrue(colleague.syncOnce(30_000u).isFinished)
        val seen = colleague.files(sheet).files.single()
        assertTrue(seen.state == FileState.AtBranch && seen.original == null && File(seen.thumbnail!!).isFile)
        colleague.fetchFile(seen.sha256)
        assertTrue(colleague.syncOnce(30_000u).isFinished)
        assertTrue(File(colleague.files(sheet).files.single().original!!).isFile)
        officer.shut()
        colleague.shut()
    }

    @Test
    fun ledgers() {
        val desk = noted(branch.enroll("u.fd01"))
        val catalogue = desk.catalogue()
        assertTrue(catalogue.ledgers.any { it.id == "led.front_desk" } && catalogue.projects.isNotEmpty())
        val form = desk.ledgerForm("led.front_desk")
        val category = form.fields.first { it.id == "category" }.kind as FieldKind.Reference
        assertTrue(desk.choices(category.to).any { it.id == "fd.repair.leak" })
        assertEquals(listOf("u.fd01"), desk.choices(Reference.Person, "前台壬").map { it.id })
        val call = mapOf(
            "channel" to text("phone"), "category" to text("fd.repair.leak"), "content" to text("卫生间顶部滴水"),
            "urgency" to text("urgent"), "owner_dept" to text("dept.eng"),
        )
        val entry = desk.createEntry("led.front_desk", call)
        assertNotNull(entry.temporaryNumber)
        assertEquals("前台壬", entry.firstContact, "filled in by itself")
        assertTrue(entry.steps.any { it.id == "assign" && it.isOpen })
        val assigned = desk.recordEvent(entry.document, "assign", emptyMap())
        assertEquals("assigned", assigned.state)
        val edited = desk.editEntry(entry.document, mapOf("content" to text("卫生间顶部滴水,楼上无人")))
        assertEquals(EntryContent.Text("卫生间顶部滴水,楼上无人"), edited.field("content"))
        val shown = desk.attachEntryPhotos(entry.document, "photos", listOf(picture("ceiling").path))
        assertEquals(1, (shown.field("photos") as EntryContent.Set).elements.size)
        assertEquals(entry.document, desk.entry(entry.document).document)
        desk.createEntry("led.front_desk", call)
        val lead = noted(branch.enroll("u.csl01"))
        val meeting = lead.createEntry(
            "led.meeting",
            mapOf("topic" to text("晨会"), "attendees" to Value.Many(listOf("u.fd01", "u.fd02")), "minutes" to text("排班")),
        )
        assertEquals(2, (meeting.field("attendees") as EntryContent.Set).elements.size)
        val lined = lead.addEntryLine(meeting.document, "actions", mapOf("what" to text("补牌"), "owner" to text("u.fd02")))
        val line = (lined.field("actions") as EntryContent.Lines).lines.single()
        assertEquals("前台癸", line.values.getValue("owner").text)
        val done = lead.editEntryLine(meeting.document, "actions", line.id, mapOf("done_at" to text("2026-11-25")))
        assertEquals("2026-11-25", (done.field("actions") as EntryContent.Lines).lines.single().values.getValue("done_at").text)
        lead.shut()

        val page = desk.list(CardFilter(kind = CardKind.ENTRY), 0u, 1u)
        assertEquals(listOf(1, 1), listOf(page.cards.size, page.next?.toInt()))
        assertTrue(page.total >= 2u)
        assertNull(desk.list(CardFilter(definition = "led.meeting")).next)
        assertTrue(desk.search("滴水").any { it.document == entry.document })
        assertEquals(entry.document, desk.find(entry.temporaryNumber!!).single().document)
        assertTrue(desk.card(entry.document).isPending)
        assertTrue(desk.duties().all { it.statusName.isNotEmpty() })
        assertTrue(desk.reminders(7u).all { it.sentence.isNotEmpty() })
        assertTrue(desk.conflicts().isEmpty())
        fails<SyncException.NotFound> { desk.resolve(entry.document, "field/urgency", 0u) }
        assertTrue(desk.drafts().isEmpty())
        val nobody = "00".repeat(16)
        for (call in listOf<() -> Any>({ desk.draft(nobody) }, { desk.applyDraft(nobody) }, { desk.discardDraft(nobody) })) {
            fails<SyncException.NotFound> { call() }
        }
        fails<SyncException.NotFound> { desk.exportDraft(nobody, File(freshDirectory(), "d").path) }

        val reports = desk.reports()
        assertTrue(reports.isNotEmpty())
        for (format in ReportFormat.entries) {
            val made = desk.report(ReportRequest(reports.first().id, format))
            assertTrue(made.bytes.isNotEmpty() && made.mediaType.isNotEmpty(), "$format")
        }
        desk.shut()
    }

    @Test
    fun theReplicaItself() {
        val directory = freshDirectory()
        val replica = Replica.enroll(branch.invite("u.eng01"), directory.path, settings())
        val noted = noted(replica)
        assertEquals(listOf(replica.identity().file), replicasIn(directory.path))
        assertEquals("工程主管寅", runBlocking { noted.sync() }.let { assertTrue(it.isFinished); noted.identity().name })
        assertTrue(noted.identity().scopes.isNotEmpty())
        assertEquals(Activity.PAUSED, noted.standing().activity, "by itself is off")
        noted.setExchangeByItself(true)
        noted.syncNow()
        eventually("an exchange by itself") { noted.standing().activity == Activity.RESTING }
        noted.setNetwork(Network.ABSENT)
        eventually("what is under way ends first") { noted.standing().activity == Activity.PAUSED }
        noted.setNetwork(Network.FREE, null)
        noted.setTimeZone("Asia/Shanghai")
        fails<SyncException.Invalid> { noted.setTimeZone("Mars/Base") }
        val lines = mutableListOf<String>()
        noted.setLog(object : LogSink {
            override fun line(level: LogLevel, text: String) { synchronized(lines) { lines += text } }
        }, LogLevel.INFO)
        noted.setListener(null)
        assertTrue(noted.syncOnce(30_000u).isFinished)
        eventually("lines of the log") { synchronized(lines) { lines.any { "exchange" in it } } }
        noted.setLog(null, LogLevel.ERROR)
        assertFalse(synchronized(lines) { lines.any { "u.eng01" in it || "工程" in it } })
        val file = File(directory, "support.jsonl")
        assertTrue(noted.export(file.path) < 100u)
        assertTrue(file.readLines().first().contains("u.eng01"))
        fails<SyncException.Storage> { noted.export(file.path) }
        noted.shut()
        noted.shut()
        fails<SyncException.Closed> { noted.slots() }
    }
}

/** That a noted call fails in this way; the proxy wraps what its interface does not declare. */
private inline fun <reified E : SyncException> fails(call: () -> Any?): E = assertFailsWith<E> {
    try {
        call()
    } catch (wrapped: UndeclaredThrowableException) {
        throw wrapped.undeclaredThrowable
    }
}

/** An item of a sheet by its id. */
fun SheetScreen.item(id: String): Item = sections.flatMap { it.items }.first { it.id == id }

/** What a field of an entry holds. */
fun EntryScreen.field(id: String): EntryContent = fields.first { it.form.id == id }.content
