package cn.xunyuan

import java.io.File
import java.util.concurrent.TimeUnit
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNotNull
import kotlin.test.assertTrue
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.Test

/** What the officer's process does in the basement; it is killed while it waits for ever at the end. */
object Officer {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (file, sheet) = arguments
        val replica = Replica.open(file, settings())
        replica.setNetwork(Network.ABSENT)
        replica.answer(sheet, "pp.green.01", option("pass"))
        replica.answer(sheet, "pp.fire.02", option("fail", note = "灭火器压力不足", photos = listOf(picture("gauge").path)))
        println("saved")
        Thread.sleep(600_000)
    }
}

/** The day of a patrol officer, against a real branch server. */
class DayTest {
    private fun killedInTheBasement(file: String, sheet: String) {
        val java = File(System.getProperty("java.home"), "bin/java").path
        val properties = listOf("jna.library.path", "xunyuan.server", "xunyuan.organisation")
            .map { "-D$it=${System.getProperty(it)}" }
        val line = listOf(java) + properties + listOf("-cp", System.getProperty("java.class.path"), "cn.xunyuan.Officer", file, sheet)
        val process = ProcessBuilder(line).redirectErrorStream(true).start()
        val said = process.inputStream.bufferedReader()
        val first = said.readLine()
        assertEquals("saved", first, "the officer's process")
        process.destroyForcibly()
        assertTrue(process.waitFor(10, TimeUnit.SECONDS))
    }

    @Test
    fun aPatrolOfficersDay() = Branch().use { branch ->
        // In the morning, with signal: enrol.
        val officer = branch.enroll("u.pt01")
        val file = officer.identity().file
        assertEquals("u.pt01", officer.identity().user)
        val slot = officer.slots().first()
        val sheet = officer.startSlot(slot.key, slot.project)
        assertTrue(officer.slots().first { it.key == slot.key }.isStarted)
        officer.shut()

        // In the basement, without signal; the phone dies.
        killedInTheBasement(file, sheet.document)

        // What was saved is there.
        val again = Replica.open(file, settings())
        val reopened = again.sheet(sheet.document)
        val fire = reopened.sections.flatMap { it.items }.first { it.id == "pp.fire.02" }
        assertEquals("灭火器压力不足", fire.notes.single().text)
        assertEquals(1, fire.photos.size)
        assertTrue(fire.isFail)
        assertTrue(again.standing().pendingChanges > 0u)
        val finding = again.list(CardFilter(kind = CardKind.ENTRY)).cards.single()

        // Signal again.
        val report = again.syncOnce(30_000u)
        assertTrue(report.isFinished, report.failure)
        assertEquals(0u, again.standing().pendingChanges)
        assertNotNull(again.card(finding.document).number, "the official number came back")

        // A colleague writes something else on the same item.
        val colleague = branch.enroll("u.pt02")
        colleague.startSlot(slot.key, slot.project)
        colleague.answer(sheet.document, "pp.green.02", option("pass"))
        again.answer(sheet.document, "pp.green.02", option("fail", note = "断枝"))
        for (replica in listOf(colleague, again, colleague)) assertTrue(replica.syncOnce(30_000u).isFinished)
        val conflict = colleague.conflicts().single()
        assertEquals("item/pp.green.02", conflict.key)
        assertEquals(setOf("巡查员子", "巡查员丑"), conflict.choices.map { it.byName }.toSet())
        val keep = conflict.choices.indexOfFirst { it.value == text("fail") }
        assertEquals(0u, colleague.resolve(conflict.document, conflict.key, keep.toUInt()))
        for (replica in listOf(colleague, again)) assertTrue(replica.syncOnce(30_000u).isFinished)
        assertTrue(again.conflicts().isEmpty())
        assertTrue(again.history(sheet.document).any { it.isEvent && it.byName == "巡查员丑" })
        again.shut()
        colleague.shut()
    }

    @Test
    fun aRefusedDayIsADraft() = Branch().use { branch ->
        val officer = branch.enroll("u.pt01")
        val sheet = officer.startPatrol()
        assertTrue(officer.syncOnce(30_000u).isFinished)
        // The role is narrowed while the officer is in the basement.
        branch.command("org", "load", narrowed(version = 2, role = "role.hr").path)
        officer.answer(sheet.document, "pp.green.01", option("fail", note = "枯枝"))
        val report = officer.syncOnce(30_000u)
        assertTrue(report.refused > 0u, "$report")
        assertTrue(officer.standing().refusedChanges > 0u)
        val drafts = officer.drafts()
        val draft = officer.draft(drafts.first().id)
        assertTrue(draft.isReadable)
        assertTrue(drafts.flatMap { officer.draft(it.id).lines }.any { it.text == "枯枝" })
        val file = File(freshDirectory(), "draft.json")
        officer.exportDraft(draft.card.id, file.path)
        assertTrue(file.readText().contains(draft.card.document))
        // It cannot be applied while the role does not reach that far; then it can.
        val refused = runCatching { officer.applyDraft(draft.card.id) }.exceptionOrNull()
        assertTrue(refused is SyncException.Refused, "$refused")
        branch.command("org", "load", narrowed(version = 3, role = "role.patrol").path)
        eventually("the branch hears of the role and grants it again") {
            officer.syncOnce(30_000u).isFinished &&
                officer.identity().scopes.filter { it.id.endsWith("/patrol") || it.id.endsWith("/finding") }.all { it.isGranted }
        }
        for (one in officer.drafts().drop(1)) officer.discardDraft(one.id)
        officer.applyDraft(officer.drafts().single().id)
        assertTrue(officer.drafts().isEmpty())
        assertTrue(officer.syncOnce(30_000u).isFinished)
        assertEquals(0u, officer.standing().pendingChanges)
        officer.shut()
    }

    @Test
    fun theAppHearsOfOthersWorkWithoutAsking() = Branch().use { branch ->
        val colleague = branch.enroll("u.pt02")
        val device = (runBlocking { Device.enroll(branch.invite("u.pt01"), freshDirectory().path, settings(byItself = true)) }).orThrow()
        runBlocking {
            withTimeout(30_000) { device.standing.first { it.activity == Activity.RESTING && it.lastExchangeMs != null } }
            val sheet = colleague.startPatrol()
            assertTrue(colleague.syncOnce(30_000u).isFinished)
            withTimeout(30_000) { device.changes.first { sheet.document in it.documents || it.everything } }
            val shown = device.ask { card(sheet.document) }
            assertEquals("巡查员丑", (shown as Outcome.Done).value.createdBy)
            // What is written here goes out by itself.
            device.ask { answer(sheet.document, "pp.green.01", option("pass")) }.orThrow()
            withTimeout(30_000) { device.standing.first { it.pendingChanges == 0u } }
        }
        device.close()
        assertFalse(device.let { runBlocking { it.ask { standing() } } } is Outcome.Done)
        colleague.shut()
    }

    private fun narrowed(version: Int, role: String): File {
        val text = Given.organisation.readText()
        val user = Regex("(\"id\":\\s*\"u\\.pt01\"[^}]*?\"role\":\\s*\")[^\"]+(\")")
        check(user.containsMatchIn(text))
        val changed = user.replaceFirst(text, "$1$role$2").replaceFirst(Regex("\"version\":\\s*\\d+"), "\"version\": $version")
        return File(freshDirectory(), "organisation.json").also { it.writeText(changed) }
    }
}
